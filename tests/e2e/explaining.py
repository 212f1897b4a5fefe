"""The real client's `dbt-state explain`, in plaintext mode, on the decision log of a shop's last run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.e2e.shop import TARGET, Shop

PROGRAM = Path(sys.executable).with_name("dbt-state")
PATIENCE_SECONDS = 120
WIDTH = "400"
"""Columns of the terminal: no line is folded."""


def explained(shop: Shop, *arguments: str, target: str = TARGET) -> dict[str, str]:
    """What the command prints of each node, by the node's name. Fails where the command does."""
    ended = subprocess.run(
        [PROGRAM, "explain", *arguments],
        cwd=shop.directory / "runs" / target,  # where dbt's logs are, for this is where the command looks for them
        env=shop.client.environment({"RUN_CACHE_API_URL": shop.server.address, "COLUMNS": WIDTH}),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    blocks = [block for block in ended.stdout.split("\n\n") if block.strip()]
    return {block.split("\n", 1)[0].strip(): block for block in blocks}
