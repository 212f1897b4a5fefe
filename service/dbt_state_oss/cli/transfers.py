"""Checks and messages of the commands that copy documents from or to a store."""

from __future__ import annotations

from dbt_state_oss.application.engine import Engine
from dbt_state_oss.application.ownership.transfer import EXAMPLES, Fate, Tally
from dbt_state_oss.errors import InvalidRequest
from dbt_state_oss.settings.places import Place


async def expect_a_state(engine: Engine, place: Place) -> None:
    """Raise InvalidRequest if the store is empty. A wrong prefix is more likely than an empty state that is to be copied."""
    if await engine.is_empty():
        raise InvalidRequest(
            f"the store {place.address} has no records yet; nothing was copied. Check the store, directory and prefix"
        )


def expect_no_difference(tally: Tally) -> None:
    """Raise InvalidRequest if documents would be replaced. The caller has written nothing at this point."""
    differing = tally.counts[Fate.REPLACED]
    if differing:
        raise InvalidRequest(
            f"{differing} of {tally.total} documents differ from those in the store; nothing was written. "
            f"Use --overwrite to write them:\n{_examples(tally, Fate.REPLACED)}"
        )


def outcome_text(tally: Tally) -> str:
    """Return how many documents were created, equal and replaced, and which ones another process changed in the meantime."""
    counts = tally.counts
    text = f"{counts[Fate.CREATED]} created, {counts[Fate.EQUAL]} equal, {counts[Fate.REPLACED]} replaced"
    overtaken = counts[Fate.OVERTAKEN]
    if overtaken:
        text += f"\n{overtaken} were changed by another process in the meantime and are kept:\n"
        text += _examples(tally, Fate.OVERTAKEN)
    return text


def _examples(tally: Tally, fate: Fate) -> str:
    keys = [f"  {key}" for key in tally.examples[fate]]
    more = tally.counts[fate] - EXAMPLES
    return "\n".join([*keys, f"  and {more} more"] if more > 0 else keys)
