"""A state goes out of every store and into every other one, by an archive, and not a byte of it changes."""

from __future__ import annotations

import io
import itertools
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from tests.emulators.running import Emulators
from tests.stores.backings import BACKINGS, Candidate

from dbt_state_oss.application.ownership.archive import ArchivedDocument, ArchiveWriter, Header, records_of
from dbt_state_oss.application.ownership.transfer import Fate, Tally, documents_of, write
from dbt_state_oss.application.ports import ObjectStore

STATE = {
    "default/targets/ns/0a1b": '{"version":1,"target":["ns","\\"ä\\".\\"b\\""]}'.encode(),
    "default/targets/ns/0a1c": b"",
    "default/targets/=0a/ff": b"\n",
    "default/targets/ns/0a1b.broken-77": bytes(range(256)),
    "default/journal/20261127/=/00": b'{"write":"not a stamp"}\n{}',
    "default/journal/20261127/s-1/01": b"x" * 300_000,
    "default/nodes/id/42/prod/00": b'{"nodes":{}}\r\n',
}


async def archive_of(store: ObjectStore) -> io.BytesIO:
    file = io.BytesIO()
    writer = ArchiveWriter(file, Header(made_at=0, server="test", ticket_keys=False))
    async with aclosing(documents_of(store, ticket_keys=False)) as documents:
        async for record in documents:
            writer.add(record)
    writer.finish()
    return file


def told(_: Tally) -> None:
    """Nobody looks on."""


@pytest.mark.usefixtures("_s3_credentials")
@pytest.mark.parametrize("source", BACKINGS, ids=lambda tested: tested.name)
async def test_a_state_is_the_same_in_every_store(source: Candidate, emulators: Emulators, tmp_path: Path) -> None:
    numbers = itertools.count()
    store = await source.make(tmp_path / f"state{next(numbers)}", emulators).open()
    for key, data in STATE.items():
        await store.put(key, data, expected=None)
    await store.put("_server/ticket-keys", b"secret", expected=None)
    archive = await archive_of(store)
    await store.close()

    async def records() -> AsyncIterator[ArchivedDocument]:
        for record in records_of(archive):
            yield record

    for target in BACKINGS:
        other = await target.make(tmp_path / f"state{next(numbers)}", emulators).open()
        tally = await write(records, other, told, overwrite=False)
        assert (tally.counts[Fate.CREATED], tally.total) == (len(STATE), len(STATE)), target.name
        found = {record.key: record.data for record in records_of(await archive_of(other))}
        await other.close()
        assert found == STATE, target.name
