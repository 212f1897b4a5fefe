"""The previous version of the server, out of this repository's history."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from contextlib import suppress
from pathlib import Path

from tests.installing import ENVIRONMENTS, ROOT

COMMIT = "7c80d3a22816"
"""The version that is upgraded from. A release moves it to the release before."""

ARCHIVE = Path(__file__).parent / "previous.state"
"""A state that this version has exported: one build of the recorded table."""
ARCHIVE_FINGERPRINTS = 4
"""The version of the fingerprints in it."""


def previous_server() -> Path | None:
    """The folder that holds the previous version's package; None where the history does not reach back, as in a shallow clone."""
    folder = ENVIRONMENTS / f"previous-{COMMIT}"
    if not folder.exists():
        archive = subprocess.run(
            ["git", "-C", str(ROOT), "archive", COMMIT, "service"], check=False, capture_output=True
        )
        if archive.returncode:
            return None
        half = folder.with_suffix(f".{id(archive)}")
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(half, filter="data")
        with suppress(OSError):  # another test process was first
            half.rename(folder)
    return folder / "service"


def fingerprint_version(service: Path) -> int:
    """The version of its fingerprints: records of another one are not compared, so everything is built once."""
    text = (service / "dbt_state_oss" / "domain" / "fingerprint.py").read_text("utf-8")
    found = re.search(r"^FINGERPRINT_VERSION = (\d+)$", text, re.MULTILINE)
    assert found is not None
    return int(found[1])
