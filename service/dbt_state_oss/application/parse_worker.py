"""What a process that parses does before it takes its first text."""

from __future__ import annotations

import logging
import os
import sys

from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.sql.fingerprinting import fingerprint
from dbt_state_oss.domain.submission import Code

_RECURSION_LIMIT = 10_000
"""Python frames in a worker: a parser takes some 25 for each level of the nesting that the domain lets through."""
_WAREHOUSES = ("postgres", "snowflake", "bigquery", "databricks", "redshift")
_TINY = "with c as (select a, sum(b) as b from t where x = 1 group by a) select * from c join u using (a)"


def prepare_worker() -> None:
    """Leave the server's process group, whose signals are not for a worker; say nothing; take nested texts; warm up.

    sqlglot builds its tables at the first parse in each dialect, which takes far longer than the parse.
    """
    os.setsid()
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    sys.setrecursionlimit(_RECURSION_LIMIT)
    for name in _WAREHOUSES:
        fingerprint(Code(dialect_named(name), _TINY, "d", "s"))
