"""A place for the demo's runs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.example.demo_runs import DemoRunner


@pytest.fixture
def demo() -> Iterator[DemoRunner]:
    # pytest's own temporary folders have names that are too long for a Unix socket.
    folder = Path(tempfile.mkdtemp(prefix="demo-test-")).resolve()
    try:
        yield DemoRunner(folder)
    finally:
        shutil.rmtree(folder)
