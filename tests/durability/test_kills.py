"""Kill -9 under load (rule W1): what was acknowledged stays."""

from __future__ import annotations

import random
from pathlib import Path

from tests.durability.ordeal import endure

KILLS = 20


def test_no_acknowledged_execution_is_lost_and_no_document_broken_by_twenty_kills(tmp_path: Path) -> None:
    report = endure(tmp_path, kills=KILLS, seed=random.randrange(10**6))
    assert not report.faults, str(report)
    assert report.interrupted, "no kill met a call, so nothing was tried"
    assert report.outlived, "no ticket outlived its server"
