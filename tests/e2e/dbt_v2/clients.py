"""Releases of dbt v2, whose client is written in Rust, and the driver through which they take a PostgreSQL for a Redshift.

State is not on for dbt v2 on PostgreSQL. Its Redshift adapter speaks PostgreSQL's protocol, so the driver that it loads is
replaced by one that talks to PostgreSQL (`redshift_on_postgres.c`).
"""

from __future__ import annotations

import platform
import shutil
from enum import Enum
from pathlib import Path

from tests.e2e.generations import REQUIREMENTS
from tests.installing import built_from, python_with, run_command

SOURCE = Path(__file__).with_name("redshift_on_postgres.c")
_DRIVER = "com.getdbt/adbc/x86_64-manylinux_2_17-linux-gnu/libadbc_driver_redshift-0.18.0+dbt0.18.4.so"
"""Where both releases look for the driver, below XDG_CACHE_HOME."""


class DbtV2(Enum):
    """A release; the value names its requirements file. Later ones are no wheels: their build downloads the program."""

    CORE_2_0_0A4 = "dbt-core-2.0.0a4"
    FUSION_2_0_0RC196 = "dbt-2.0.0rc196"

    def program(self) -> Path:
        """The program `dbt`; installed first if nobody has yet."""
        return self._environment / "bin" / "dbt"

    @property
    def base_driver(self) -> Path:
        """The PostgreSQL driver that the Redshift one is made of."""
        return self._package("adbc_driver_postgresql") / "libadbc_driver_postgresql.so"

    def drivers(self) -> Path:
        """A value for XDG_CACHE_HOME with the driver in it; compiled first if nobody has yet."""
        headers = self._package("adbc_driver_manager") / "arrow-adbc"

        def compile_into(directory: Path) -> None:
            driver = directory / _DRIVER
            driver.parent.mkdir(parents=True)
            run_command("cc", "-shared", "-fPIC", f"-I{headers}", "-o", driver, SOURCE, "-ldl")

        return built_from(SOURCE, compile_into)

    @property
    def _environment(self) -> Path:
        return python_with(REQUIREMENTS / f"{self.value}.txt").parents[1]

    def _package(self, name: str) -> Path:
        return next(self._environment.glob(f"lib/python*/site-packages/{name}"))


def why_not_here() -> str | None:
    """Why dbt v2 cannot be tested on this machine; None where it can."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return "dbt v2 looks for a driver of Linux on x86_64"
    return None if shutil.which("cc") else "no C compiler builds the driver that takes PostgreSQL for Redshift"
