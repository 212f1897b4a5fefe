"""The generations of the client under test, each in an environment of its own with the same dbt.

The newest lives in the interpreter that runs the tests; the others are installed from `requirements/clients/*.txt`.
"""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path

from tests.installing import ROOT, python_with

REQUIREMENTS = ROOT / "requirements" / "clients"


class Generation(Enum):
    """A published client; the value names its requirements file."""

    RUN_CACHE_2_17 = "run-cache-2.17.1"
    DBT_STATE_2_30 = "dbt-state-2.30.0"
    DBT_STATE_2_50 = "dbt-state-2.50.0"
    DBT_STATE_2_62 = "dbt-state-2.62.3"

    def interpreter(self) -> Path:
        """The Python that has this client; installs it first if nobody has yet."""
        if self is Generation.DBT_STATE_2_62:
            return Path(sys.executable)
        return python_with(REQUIREMENTS / f"{self.value}.txt")
