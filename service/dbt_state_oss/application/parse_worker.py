"""Prepares a worker process before it parses its first text."""

from __future__ import annotations

import logging
import os
import sys

from dbt_state_oss.domain.dialects import KNOWN_WAREHOUSES, dialect_named
from dbt_state_oss.domain.sql.fingerprinting import fingerprint
from dbt_state_oss.domain.submission import Code

_RECURSION_LIMIT = 10_000
"""Python frames in a worker. The parser takes about 25 frames for each level of nesting that the domain allows."""
_TINY = "with c as (select a, sum(b) as b from t where x = 1 group by a) select * from c join u using (a)"


def prepare_worker() -> None:
    """Prepare this process: leave the server's process group, whose signals are not meant for workers; silence sqlglot's
    log; allow nested texts; and warm up.

    The first parse in each dialect is slow, because sqlglot then builds its tables for the dialect.
    """
    os.setsid()
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    sys.setrecursionlimit(_RECURSION_LIMIT)
    for name in KNOWN_WAREHOUSES:
        fingerprint(Code(dialect_named(name), _TINY, "d", "s"))
