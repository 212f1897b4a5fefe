"""Epochs that a client stamps where other clients read them back from the table (rule T4a, decision record 0018)."""

from __future__ import annotations

from dbt_state_oss.domain.dialects import Dialect, EpochClock
from dbt_state_oss.domain.history import History
from dbt_state_oss.domain.relation import Epoch


def stamped_from(dialect: Dialect, decided_at: int | None, found_epoch: Epoch | None) -> Epoch | None:
    """The lowest epoch that the table of a stamped build can have, Unix milliseconds; None if it must be the stamp itself.

    The build wrote the table after the submission (`decided_at`), and changed the epoch that it found.
    """
    if not dialect.stamped_by_dbt_v2 or decided_at is None:
        return None
    return decided_at if found_epoch is None else max(decided_at, found_epoch + 1)


def input_stamped_from(history: History, epoch: Epoch | None, clock: EpochClock) -> Epoch | None:
    """`stamped_from` of a table that is reported at `epoch`, if that is a stamp, as in the run that builds the table."""
    written = history.written_at(epoch, clock)
    return None if written is None or written.epoch != epoch else written.stamped_from
