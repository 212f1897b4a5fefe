"""`dbt-state-oss state prune`: what has not been used for long is told of, and deleted once that is agreed to."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from tests.cli.commands import run
from tests.domain.building import MART, execution

from dbt_state_oss.application.caller import DEFAULT_ORGANIZATION
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.domain.submission import TargetKey
from dbt_state_oss.stores.local import LocalStore

DAY_MS = 86_400_000


@pytest.fixture
async def directory(tmp_path: Path) -> Path:
    """A target that was built today, one a hundred days ago."""
    now = time.time_ns() // 1_000_000
    store = await LocalStore.open(tmp_path)
    ledger = Ledger(store, cache_bytes=0)
    old = now - 100 * DAY_MS
    await ledger.add(DEFAULT_ORGANIZATION, TargetKey("ns", MART), execution(confirmed_at=now))
    gone = '"shop"."dev"."gone"'
    await ledger.add(DEFAULT_ORGANIZATION, TargetKey("ns", gone), execution(confirmed_at=old, built_at=old))
    await store.close()
    return tmp_path


def state(action: str, directory: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return run("state", action, *arguments, "--dir", str(directory), typed=typed)


def test_it_asks_first_and_deletes_only_what_is_old(directory: Path) -> None:
    dry = state("prune", directory, "--older-than", "90d", "--dry-run")
    assert "1 targets were neither built nor submitted since" in dry.stdout
    assert '"shop"."dev"."gone"' in dry.stdout
    assert MART not in dry.stdout
    assert "decisions are kept for 30 days" in dry.stdout
    refused = state("prune", directory, "--older-than", "90d", typed="n\n")
    assert "nothing was deleted" in refused.stdout
    agreed = state("prune", directory, "--older-than", "90d", "--yes")
    assert "deleted: 1 targets" in agreed.stdout
    listed = state("list", directory).stdout
    assert MART in listed
    assert "gone" not in listed


@pytest.mark.parametrize("days", ["90", "0d", "-1d", "ninety"])
def test_an_age_that_is_none_is_refused(tmp_path: Path, days: str) -> None:
    result = state("prune", tmp_path, f"--older-than={days}")
    assert result.returncode == 2
    assert "must be a number of days" in result.stderr
