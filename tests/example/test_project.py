"""The example project is what today's dbt wants it to be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.example.demo_runs import ROOT


@pytest.mark.parametrize("target", ["dev", "prod"])
def test_dbt_parses_the_project_without_a_warning_or_deprecation(target: str, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("dbt")),
        "--warn-error",
        "--show-all-deprecations",
        "--log-path",
        str(tmp_path),
    ]
    command += ["parse", "--no-partial-parse", "--target", target, "--target-path", str(tmp_path)]
    parse = subprocess.run(
        command,
        cwd=ROOT / "example_project",
        env={**os.environ, "RUN_CACHE_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert parse.returncode == 0, parse.stdout + parse.stderr
