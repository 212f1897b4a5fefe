"""Documents are brought into a store without loss of anything that is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.domain.building import BUILT, MART, MINUTE, T0, execution

from dbt_state_oss.application.codec import NodeEntry, NodeShard, TargetDocument, decode_shard, decode_target, encode
from dbt_state_oss.application.keys import TICKET_KEYS, target_key
from dbt_state_oss.application.ownership.archive import ArchivedDocument
from dbt_state_oss.application.ownership.transfer import EXAMPLES, Documents, Fate, Tally, compare, documents_of, write
from dbt_state_oss.application.ports import Document, ObjectStore, Version
from dbt_state_oss.domain.history import UNKNOWN_LINEAGE, Input
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import TargetKey
from dbt_state_oss.errors import InvalidRequest
from dbt_state_oss.stores.memory import MemoryStore

TARGET = TargetKey("ns", MART)
KEY = target_key("default", TARGET)
BUILD = execution(id="ns.t.1")


async def filled(**documents: bytes) -> MemoryStore:
    store = MemoryStore()
    for key, data in documents.items():
        await store.put(key, data, expected=None)
    return store


def given(**documents: bytes) -> Documents:
    async def records() -> AsyncIterator[ArchivedDocument]:
        for key in sorted(documents):
            yield ArchivedDocument(key, documents[key])

    return records


async def content(store: ObjectStore) -> dict[str, bytes]:
    return {record.key: record.data async for record in documents_of(store, ticket_keys=True)}


def fates(tally: Tally) -> dict[Fate, int]:
    return {fate: count for fate, count in tally.counts.items() if count}


def told(_: Tally) -> None:
    return


async def test_secrets_are_left_out_unless_they_are_asked_for() -> None:
    store = await filled(**{TICKET_KEYS: b"secret", "default/x": b"1"})
    assert [record.key async for record in documents_of(store, ticket_keys=False)] == ["default/x"]
    assert len(await content(store)) == 2


class Backwards(MemoryStore):
    """Lists in an order of its own."""

    async def list(self, prefix: str) -> AsyncIterator[str]:
        for key in reversed([key async for key in super().list(prefix)]):
            yield key


async def test_documents_come_in_the_order_of_their_keys_whatever_the_stores_is() -> None:
    store = Backwards()
    for key in ("b", "a/2", "a/10"):
        await store.put(key, b"", expected=None)
    assert list(await content(store)) == ["a/10", "a/2", "b"]


async def test_comparing_tells_what_writing_does_and_writes_nothing() -> None:
    store = await filled(equal=b"1", other=b"2", untouched=b"3")
    before = await content(store)
    expected = await compare(given(equal=b"1", other=b"X", absent=b"4"), store, told)
    assert fates(expected) == {Fate.EQUAL: 1, Fate.CREATED: 1, Fate.REPLACED: 1}
    assert expected.examples[Fate.REPLACED] == ["other"]
    assert await content(store) == before

    done = await write(given(equal=b"1", other=b"X", absent=b"4"), store, told, overwrite=True)
    assert fates(done) == fates(expected)
    assert await content(store) == {"absent": b"4", "equal": b"1", "other": b"X", "untouched": b"3"}
    again = await write(given(equal=b"1", other=b"X", absent=b"4"), store, told, overwrite=True)
    assert fates(again) == {Fate.EQUAL: 3}


async def test_what_was_written_since_the_comparison_is_left_and_told() -> None:
    store = await filled(other=b"theirs")
    done = await write(given(other=b"ours"), store, told, overwrite=False)
    assert fates(done) == {Fate.OVERTAKEN: 1}
    assert await content(store) == {"other": b"theirs"}


class Racing(MemoryStore):
    """Somebody else writes each document between a read of it and the write that follows."""

    async def put(self, key: str, data: bytes, *, expected: Version | None) -> Version:
        await super().put(key, b"theirs", expected=expected)
        return await super().put(key, data, expected=expected)


async def test_a_lost_race_leaves_the_other_ones_document() -> None:
    store = Racing()
    done = await write(given(new=b"ours"), store, told, overwrite=True)
    assert fates(done) == {Fate.OVERTAKEN: 1}
    assert await content(store) == {"new": b"theirs"}


async def test_a_key_that_is_none_is_refused_when_it_is_compared() -> None:
    with pytest.raises(InvalidRequest, match="not a store key"):
        await compare(given(**{"../up": b""}), MemoryStore(), told)


async def test_of_many_some_are_named() -> None:
    names = {f"k{number:02d}": b"" for number in range(40)}
    tally = await compare(given(**names), MemoryStore(), told)
    assert tally.examples[Fate.CREATED] == sorted(names)[:EXAMPLES]
    assert tally.total == 40


def target(*builds: object, forgotten_at: int | None = None) -> bytes:
    return encode(TargetDocument("default", TARGET, tuple(builds), forgotten_at))  # type: ignore[arg-type]


async def test_what_was_forgotten_later_stays_forgotten(  # rule I5
) -> None:
    store = await filled(**{KEY: target(forgotten_at=BUILT + MINUTE)})
    done = await write(given(**{KEY: target(BUILD)}), store, told, overwrite=True)
    assert fates(done) == {Fate.EQUAL: 1}
    assert (await content(store))[KEY] == target(forgotten_at=BUILT + MINUTE)


async def test_what_was_built_after_it_was_forgotten_comes_back_with_the_time_of_that() -> None:
    later = replace(BUILD, id="ns.t.2", decided_at=BUILT + 2 * MINUTE, confirmed_at=BUILT + 3 * MINUTE)
    store = await filled(**{KEY: target(forgotten_at=BUILT + MINUTE)})
    await write(given(**{KEY: target(later, BUILD)}), store, told, overwrite=True)
    found = await store.get(KEY)
    assert isinstance(found, Document)
    document = decode_target(found.data)
    assert ([one.id for one in document.executions], document.forgotten_at) == (["ns.t.2"], BUILT + MINUTE)


async def test_what_was_recorded_since_in_the_store_stays_beside_what_comes() -> None:
    """The second pass of a migration, or an older archive over a store in use."""
    newer = replace(BUILD, id="ns.t.2", epoch=BUILT + MINUTE)
    store = await filled(**{KEY: target(newer)})
    await write(given(**{KEY: target(BUILD)}), store, told, overwrite=True)
    assert (await content(store))[KEY] == target(newer, BUILD)


async def test_of_two_accounts_of_a_node_the_younger_stays() -> None:
    def shard(**seen_at: int) -> bytes:
        nodes = {
            name: NodeEntry(at, "model", f"{at}", None, None, None, None, None, None, None, "ns", "shop")
            for name, at in seen_at.items()
        }
        return encode(NodeShard(nodes))

    store = await filled(**{"default/nodes": shard(a=2, b=1, c=1)})
    await write(given(**{"default/nodes": shard(a=1, b=2, d=1)}), store, told, overwrite=True)
    assert decode_shard((await content(store))["default/nodes"]) == decode_shard(shard(a=2, b=2, c=1, d=1))


@pytest.mark.parametrize("there", [b"broken", target(forgotten_at=BUILT - MINUTE)], ids=["unreadable", "earlier"])
async def test_otherwise_the_record_replaces_what_is_there_byte_for_byte(there: bytes) -> None:
    store = await filled(**{KEY: there})
    newer = target(BUILD, forgotten_at=BUILT)
    await write(given(**{KEY: newer}), store, told, overwrite=True)
    assert (await content(store))[KEY] == newer


async def test_of_two_accounts_of_a_target_all_silent_builds_and_readers_stay() -> None:
    def noted(readers: tuple[str, ...] | None, **silent_builds: int) -> bytes:
        builds = {Relation(name): at for name, at in silent_builds.items()}
        return encode(TargetDocument("default", TARGET, (BUILD,), silent_builds=builds, readers=readers))

    store = await filled(**{KEY: noted(("a", "b"), one=2, two=1)})
    await write(given(**{KEY: noted(("c",), one=1, two=2)}), store, told, overwrite=True)
    joined = decode_target((await content(store))[KEY])
    assert (joined.readers, joined.silent_builds) == (("a", "b", "c"), {"one": 2, "two": 2})

    await write(given(**{KEY: noted(None)}), store, told, overwrite=True)
    assert decode_target((await content(store))[KEY]).readers is None, "they are searched for"


async def test_what_comes_into_a_store_in_use_does_not_vouch_for_tables_that_are_built_in_place() -> None:
    """It may have missed a silent build (rule F1a) that is on record in the store."""
    inputs = {
        Relation("in place"): Input(T0, "l1", "in place at 1"),
        Relation("made anew"): Input(T0, "l1", "a digest"),
        Relation("a source"): Input(T0, None, "a source at 1"),
    }
    record = given(**{KEY: target(replace(BUILD, inputs=inputs))})
    store = MemoryStore()
    await write(record, store, told, overwrite=False, into_use=True)
    kept = decode_target((await content(store))[KEY]).executions[0].inputs
    assert {relation: known.epoch for relation, known in kept.items()} == {
        "in place": None,
        "made anew": T0,
        "a source": T0,
    }


async def test_what_comes_into_a_store_in_use_does_not_vouch_for_tables_that_came_on_record_there() -> None:
    """One that was on no record looks like a source. Its first build may have been silent (rule F1a)."""
    inputs = {Relation("recorded now"): Input(T0, None, "one at 1"), Relation("a source"): Input(T0, None, "two at 1")}
    recorded = TargetKey("ns", Relation("recorded now"))
    there = {target_key("default", recorded): encode(TargetDocument("default", recorded, (BUILD,)))}
    store = await filled(**there)
    await write(given(**{KEY: target(replace(BUILD, inputs=inputs))}), store, told, overwrite=False, into_use=True)
    kept = decode_target((await content(store))[KEY]).executions[0].inputs
    assert {relation: known.epoch for relation, known in kept.items()} == {"recorded now": None, "a source": T0}


async def test_what_came_in_as_unknown_stays_so_when_the_same_archive_comes_in_again() -> None:
    inputs = {Relation("in place"): Input(T0, "l1", "in place at 1")}
    record = given(**{KEY: target(replace(BUILD, inputs=inputs))})
    store = MemoryStore()
    for _ in range(2):
        await write(record, store, told, overwrite=True, into_use=True)
    (kept,) = decode_target((await content(store))[KEY]).executions
    assert kept.inputs[Relation("in place")].epoch is None


async def test_what_was_read_at_an_epoch_of_no_build_on_record_comes_in_as_unknown() -> None:
    """That build may be confirmed before its table is exported, and after its reader was (rule F1a)."""
    inputs = {
        Relation("early"): Input(T0, UNKNOWN_LINEAGE, "early at 1"),
        Relation("known"): Input(T0, "l1", "a digest"),
    }
    store = MemoryStore()
    await write(given(**{KEY: target(replace(BUILD, inputs=inputs))}), store, told, overwrite=False)
    (kept,) = decode_target((await content(store))[KEY]).executions
    assert {relation: known.epoch for relation, known in kept.inputs.items()} == {"early": None, "known": T0}


async def test_of_two_accounts_of_a_target_all_early_readers_stay() -> None:
    def noted(*early: str) -> bytes:
        return encode(TargetDocument("default", TARGET, (BUILD,), early_readers=early))

    store = await filled(**{KEY: noted("a", "b")})
    await write(given(**{KEY: noted("b", "c")}), store, told, overwrite=True)
    assert decode_target((await content(store))[KEY]).early_readers == ("a", "b", "c")


async def test_a_reader_that_comes_in_is_told_of_a_silent_build_that_is_on_record_there() -> None:
    """As in the second pass of `state migrate`, where the new store has been in use meanwhile (rule F1a)."""
    parent = Relation("in place")
    built = TargetKey("ns", parent)
    silent_build = execution(id="ns.p.1", silent=True, confirmed_at=BUILT + MINUTE)
    store = await filled(**{target_key("default", built): encode(TargetDocument("default", built, (silent_build,)))})
    reader = target(replace(BUILD, inputs={parent: Input(T0, "l1", "in place at 1", last_build_at=BUILT)}))

    await write(given(**{KEY: reader}), store, told, overwrite=True)

    assert decode_target((await content(store))[KEY]).silent_builds == {parent: BUILT + MINUTE}
    assert fates(await compare(given(**{KEY: reader}), store, told)) == {Fate.EQUAL: 1}
