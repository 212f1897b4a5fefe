"""The generations of the client under test, each in an environment of its own with the same dbt.

The newest lives in the interpreter that runs the tests. The others are installed on demand from `requirements/clients/*.txt`
(hashes pinned) into `.envs/`, named by the hash of their file, so that a changed file makes a new environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from enum import Enum
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".envs"
REQUIREMENTS = ROOT / "requirements" / "clients"
UV = ROOT / ".tools" / "bin" / "uv"


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
        requirements = REQUIREMENTS / f"{self.value}.txt"
        digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
        environment = ENVIRONMENTS / f"{self.value}-{digest}"
        ENVIRONMENTS.mkdir(exist_ok=True)
        with (ENVIRONMENTS / f"{self.value}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (environment / "complete").exists():
                _install(requirements, environment)
        return environment / "bin" / "python"


def _install(requirements: Path, environment: Path) -> None:
    interpreter = environment / "bin" / "python"
    _uv("venv", "--clear", "--python", sys.executable, str(environment))
    _uv("pip", "install", "--python", str(interpreter), "--require-hashes", "-r", str(requirements))
    (environment / "complete").touch()


def _uv(*arguments: str) -> None:
    subprocess.run([UV, *arguments], check=True, capture_output=True, text=True)
