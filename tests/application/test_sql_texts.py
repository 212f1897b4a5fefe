"""SQL text that is kept for explanations: only where it is asked for, masked unless told otherwise, deleted when it is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.application.conftest import HandClock, Inside
from tests.application.test_journal import CALLER
from tests.application.test_lifecycle import BUILT_ONCE, MISSING, OUTCOME, SQL, code

from dbt_state_oss.application.ports import Document
from dbt_state_oss.application.submit import Answer
from dbt_state_oss.domain.sql.kept_sql import StoreSql
from dbt_state_oss.stores.memory import MemoryStore

CHANGED = replace(BUILT_ONCE, code=code(f"{SQL} where o.note = 'secret'"))


async def built_and_changed(inside: Inside) -> Answer:
    """The answer to a changed query; the first one is built."""
    asked = await inside.submit(CALLER, MISSING)
    await inside.confirm(CALLER, asked.ticket, OUTCOME)
    return await inside.submit(CALLER, CHANGED)


async def told(inside: Inside, answer: Answer) -> list[str]:
    explain = inside.explain
    entry = (await explain(CALLER, [answer.decision_id]))[answer.decision_id]
    query = next(section for section in entry.explanation if section.text == "query analysis")
    return [line.text for line in query.children[-1].children]


async def stored(store: MemoryStore) -> dict[str, bytes]:
    documents = {key: await store.get(key) for key in [key async for key in store.list("")]}
    return {key: document.data for key, document in documents.items() if isinstance(document, Document)}


@pytest.mark.parametrize(
    ("keep", "line"),
    [
        (StoreSql.NONE, None),
        (StoreSql.CANONICAL, "added WHERE o.note = '…'"),
        (StoreSql.FULL, "added WHERE o.note = 'secret'"),
    ],
)
async def test_the_difference_is_told_as_far_as_texts_are_kept(
    store: MemoryStore, clock: HandClock, keep: StoreSql, line: str | None
) -> None:
    inside = Inside(store, clock, store_sql=keep)
    lines = await told(inside, await built_and_changed(inside))
    assert "changed part: WHERE" in lines
    assert (lines[0] == line) if line else not any(line.startswith("added") for line in lines)
    await inside.close()
    kept = await stored(store)
    assert any("/texts-" in key for key in kept) == (keep is not StoreSql.NONE)
    assert any(b"secret" in data for data in kept.values()) == (keep is StoreSql.FULL)
    assert not any(b"JOIN" in data.upper() for key, data in kept.items() if "/texts-" not in key)


async def test_values_of_the_configuration_are_told_where_all_is_kept(store: MemoryStore, clock: HandClock) -> None:
    inside = Inside(store, clock, store_sql=StoreSql.FULL)
    asked = await inside.submit(CALLER, MISSING)
    await inside.confirm(CALLER, asked.ticket, OUTCOME)
    answer = await inside.submit(CALLER, replace(BUILT_ONCE, extras={"grants": '{"select": ["ada"]}'}))
    assert (await told(inside, answer))[0] == 'grants: {} → {"select": ["ada"]}'
    await inside.close()


async def test_what_is_forgotten_of_a_target_is_its_text_too(store: MemoryStore, clock: HandClock) -> None:
    inside = Inside(store, clock, store_sql=StoreSql.CANONICAL)
    await built_and_changed(inside)
    await inside.close()
    async for account in inside.ledger.accounts("default"):
        await inside.ledger.forget(account, at=clock.time)
    assert not [key for key in await stored(store) if "/texts-" in key]
