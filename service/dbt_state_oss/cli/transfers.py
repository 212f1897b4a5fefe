"""What came, or would come, of bringing documents into a store, in words."""

from __future__ import annotations

from dbt_state_oss.application.engine import Engine
from dbt_state_oss.application.ownership.transfer import EXAMPLES, Fate, Tally
from dbt_state_oss.errors import InvalidRequest
from dbt_state_oss.settings.places import Place


async def expect_a_state(engine: Engine, place: Place) -> None:
    """Raise InvalidRequest if nothing is recorded there: a wrong prefix, more likely than a state that is to be copied."""
    if await engine.is_empty():
        raise InvalidRequest(f"the store {place.address} is empty; nothing was exported. Check its address and prefix")


def expect_no_difference(tally: Tally) -> None:
    """Raise InvalidRequest if documents would be replaced: nothing is written then."""
    differing = tally.counts[Fate.REPLACED]
    if differing:
        raise InvalidRequest(
            f"{differing} of {tally.total} documents differ from those in the store; nothing was written. "
            f"Use --overwrite to write them:\n{_examples(tally, Fate.REPLACED)}"
        )


def outcome_text(tally: Tally) -> str:
    """How many were created, equal, replaced; and which were overtaken by somebody else's write."""
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
