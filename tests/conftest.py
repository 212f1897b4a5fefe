"""What holds for every test.

Properties are tried without a time limit for each example, since machines are busy at times; where CI is set, always on the
same examples, so that a change is judged by what it does.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest
from hypothesis import settings
from tests.emulators.running import REMOTE_STORES, Emulators

settings.register_profile("project", deadline=None, print_blob=True, derandomize=bool(os.environ.get("CI")))
settings.load_profile("project")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    # As it is where tests are started in the background; what they start would ignore Ctrl-C as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
