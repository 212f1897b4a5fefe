"""What holds for every test: which marks it has, and what a test without them may not do.

Properties are tried without a time limit for each example, since machines are busy at times; where CI is set, always on the
same examples, so that a change is judged by what it does.
"""

from __future__ import annotations

import logging
import multiprocessing.process
import os
import platform
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from tests.emulators.running import REMOTE_STORES, Emulators

settings.register_profile("project", deadline=None, print_blob=True, derandomize=bool(os.environ.get("CI")))
settings.load_profile("project")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    # As it is where tests are started in the background; what they start would ignore Ctrl-C as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)


logging.getLogger("sqlglot").setLevel(logging.CRITICAL)  # as in a parse worker; it logs texts that cannot be encoded

platform.processor()  # runs `uname -p` once and keeps the answer, which the Azure SDK asks for in tests without processes


_NEEDS = {
    "cli": ("process",),
    "durability": ("process",),
    "e2e": ("client", "database", "process"),
    "example": ("client", "database", "process"),
    "installation": ("process",),
    "restarts": ("process",),
    "upgrade": ("process",),
}
"""By folder: the marks of every test in it."""

_SLOWEST = ("example", "e2e", "installation", "restarts", "upgrade", "durability", "cli", "stores")
"""Folders with the slowest tests, the slowest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by what it needs, and begin with those that take long.

    A mark of a single test or file stands there as `pytestmark`.
    """
    for item in items:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        for mark in _NEEDS.get(folder, ()):
            item.add_marker(mark)
        if "emulators" in getattr(item, "fixturenames", ()) and _store_of(item) not in ("memory", "local"):
            item.add_marker("emulator")
    items[:] = _longest_first(items)


def _longest_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """The tests of folders that take long before the others, in two halves of alike files: xdist begins with both at once."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    folders = list(_SLOWEST)
    order = sorted(files, key=lambda path: (_rank(path, folders), str(path)))
    return [item for half in (order[0::2], order[1::2]) for path in half for item in files[path]]


def _rank(path: Path, folders: list[str]) -> int:
    folder = path.relative_to(Path(__file__).parent).parts[0]
    return folders.index(folder) if folder in folders else len(folders)


def _store_of(item: pytest.Item) -> str:
    """The store of a test of the contract suite; empty for any other test."""
    parameters = getattr(item, "callspec", None)
    candidate = None if parameters is None else parameters.params.get("backing")
    return str(getattr(candidate, "name", ""))


@pytest.fixture(autouse=True)
def _no_process_without_a_mark(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make quick` is fast since a test that starts a process says so."""
    if any(request.node.get_closest_marker(mark) for mark in ("process", "emulator", "database", "client")):
        return

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("this test starts a process: mark it with pytest.mark.process")

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", refuse)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--state-store",
        choices=("local", *REMOTE_STORES),
        default="local",
        help="where the servers of end-to-end tests keep their state",
    )


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulators]:
    """The object stores that the tests of this process ask for."""
    emulators = Emulators(tmp_path_factory.mktemp("emulators"))
    yield emulators
    emulators.stop()
