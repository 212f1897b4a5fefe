"""A store behind a network that breaks: what passes is not seen, what lasts is told, and nothing is lost or written twice."""

from __future__ import annotations

import asyncio
import itertools
import threading

import pytest
from tests.emulators import s3
from tests.emulators.proxy import Answer, Fault, Forward, Proxy, Request
from tests.emulators.s3_faults import LASTING, SLOW_SECONDS, TRANSIENT, every, once
from tests.stores.asking import add, listed, stored

from dbt_state_oss.application.ports import UNCHANGED, Document
from dbt_state_oss.errors import Conflict, StoreMisconfigured, StoreReadOnly, StoreUnavailable
from dbt_state_oss.stores.remote import RemoteStore
from dbt_state_oss.stores.s3 import S3Bucket

KEY = "org/namespace/0a1b"
CONNECTIONS = 8


async def opened(endpoint: str, bucket: str, *, attempts: int = 5, timeout_seconds: float = 20.0) -> RemoteStore:
    found = S3Bucket(
        bucket, endpoint=endpoint, path_style=True, connections=CONNECTIONS, timeout_seconds=timeout_seconds
    )
    return await RemoteStore.open(found, prefix="state", attempts=attempts, connections=CONNECTIONS)


def patience_with(fault: Fault) -> float:
    """The time to wait for an answer, in seconds: short only where an answer must come too late."""
    return SLOW_SECONDS / 2 if fault is TRANSIENT["a slow answer"] else 20.0


def puts(request: Request) -> bool:
    return request.method == "PUT"


def deletes(request: Request) -> bool:
    return request.method == "DELETE"


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=list(TRANSIENT))
async def test_what_passes_is_not_seen(fault: Fault, moto_proxy: Proxy, moto_bucket: str) -> None:
    store = await opened(moto_proxy.endpoint, moto_bucket, timeout_seconds=patience_with(fault))
    with moto_proxy.fault(fault, on=every(2)) as done:
        first = await store.put(KEY, b"one", expected=None)
        second = await store.put(KEY, b"two", expected=first)
        assert await store.get(KEY, unless=first) == Document(b"two", second)
        assert await store.get(KEY, unless=second) is UNCHANGED
        assert await listed(store, "org/") == [KEY]
        with pytest.raises(Conflict):
            await store.put(KEY, b"stale", expected=first)
        await store.delete(KEY, expected=second)
        assert await store.get(KEY) is None
    assert done.total() >= 6
    await store.close()


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=list(TRANSIENT))
async def test_nothing_that_writers_add_is_lost(fault: Fault, moto_proxy: Proxy, moto_bucket: str) -> None:
    # Every fifth request of all writers fails, so an unlucky writer meets several faults in a row.
    stores = [
        await opened(moto_proxy.endpoint, moto_bucket, attempts=20, timeout_seconds=patience_with(fault))
        for _ in range(2)
    ]

    async def writer(store: RemoteStore, name: str) -> None:
        for number in range(5):
            await add(store, KEY, f"{name}{number}")

    with moto_proxy.fault(fault, on=every(5)) as done:
        await asyncio.gather(*(writer(stores[number % 2], "abcd"[number]) for number in range(4)))
    lines = (await stored(stores[0], KEY)).data.decode().split()
    assert sorted(lines) == [f"{name}{number}" for name in "abcd" for number in range(5)]
    assert done["PUT"] + done["GET"] > 4
    for store in stores:
        await store.close()


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=list(TRANSIENT))
async def test_what_does_not_pass_is_told_as_a_store_that_does_not_answer(
    fault: Fault, moto_proxy: Proxy, moto_bucket: str
) -> None:
    store = await opened(moto_proxy.endpoint, moto_bucket, attempts=2, timeout_seconds=patience_with(fault))
    version = await store.put(KEY, b"one", expected=None)
    with moto_proxy.fault(fault):
        with pytest.raises(StoreUnavailable, match=rf"s3://{moto_bucket}"):
            await store.get(KEY)
        with pytest.raises(StoreUnavailable, match=rf"s3://{moto_bucket}"):
            await store.delete("org/other", expected=version)
        with pytest.raises(StoreUnavailable, match=rf"s3://{moto_bucket}"):
            await listed(store, "org/")
    assert await store.get(KEY) == Document(b"one", version)
    await store.close()


@pytest.mark.parametrize(
    ("fault", "words", "refusal"),
    [
        (LASTING["expired credentials"], "the credentials have expired; renew them", StoreMisconfigured),
        (
            LASTING["a clock that is wrong"],
            "the clock of this machine is wrong; synchronize it",
            StoreMisconfigured,
        ),
        (LASTING["access that is denied"], "allow this identity", StoreReadOnly),
    ],
    ids=list(LASTING),
)
async def test_what_somebody_has_to_mend_is_told_at_once(
    fault: Fault, words: str, refusal: type[Exception], moto_proxy: Proxy, moto_bucket: str
) -> None:
    store = await opened(moto_proxy.endpoint, moto_bucket)
    version = await store.put(KEY, b"one", expected=None)
    with moto_proxy.fault(fault) as done:
        with pytest.raises(StoreMisconfigured, match=words):
            await store.get(KEY)
        with pytest.raises(refusal, match=words):
            await store.put(KEY, b"two", expected=version)
    assert done == {"GET": 1, "PUT": 1}
    assert await store.get(KEY) == Document(b"one", version)
    await store.close()


async def test_an_update_whose_answer_is_lost_is_known_to_have_happened(moto_proxy: Proxy, moto_bucket: str) -> None:
    store = await opened(moto_proxy.endpoint, moto_bucket)
    version = await store.put(KEY, b"one", expected=None)
    with moto_proxy.fault(TRANSIENT["an answer that is lost"], on=once(puts)) as done:
        version = await store.put(KEY, b"two", expected=version)
    assert done == {"PUT": 1}
    assert await store.get(KEY) == Document(b"two", version)
    await store.put(KEY, b"three", expected=version)
    await store.close()


async def test_an_update_whose_answer_is_lost_does_not_undo_what_came_after_it(
    moto_proxy: Proxy, moto_bucket: str
) -> None:
    store = await opened(moto_proxy.endpoint, moto_bucket)
    other = await opened(moto_proxy.endpoint, moto_bucket)
    version = await store.put(KEY, b"one", expected=None)
    loop = asyncio.get_running_loop()

    def overtaken(request: Request, forward: object) -> None:
        assert callable(forward)
        forward()

        async def overwrite() -> None:
            await other.put(KEY, b"of the other", expected=(await stored(other, KEY)).version)

        asyncio.run_coroutine_threadsafe(overwrite(), loop).result(20)

    with moto_proxy.fault(overtaken, on=once(puts)), pytest.raises(Conflict):
        await store.put(KEY, b"two", expected=version)
    assert (await stored(store, KEY)).data == b"of the other"
    for each in (store, other):
        await each.close()


async def test_a_delete_whose_answer_is_lost_is_known_to_have_happened(moto_proxy: Proxy, moto_bucket: str) -> None:
    store = await opened(moto_proxy.endpoint, moto_bucket)
    version = await store.put(KEY, b"one", expected=None)
    with moto_proxy.fault(TRANSIENT["an answer that is lost"], on=once(deletes)) as done:
        await store.delete(KEY, expected=version)
    assert done == {"DELETE": 1}
    assert await store.get(KEY) is None
    await store.close()


async def test_what_others_put_there_is_not_listed(moto_proxy: Proxy, moto_bucket: str) -> None:
    store = await opened(moto_proxy.endpoint, moto_bucket)
    await store.put(KEY, b"x", expected=None)
    client = s3.client(moto_proxy.endpoint)
    for name in ("state/READ ME.txt", "state/a//b", "state/org/ü"):
        client.put_object(Bucket=moto_bucket, Key=name, Body=b"x")
    assert await listed(store, "") == [KEY]
    await store.close()


async def test_a_store_that_was_silent_is_asked_once_until_it_answers(moto_proxy: Proxy, moto_bucket: str) -> None:
    store = await opened(moto_proxy.endpoint, moto_bucket, attempts=4)
    with moto_proxy.fault(TRANSIENT["throttled"]) as done:
        for expected in (4, 5, 6):
            with pytest.raises(StoreUnavailable):
                await store.get(KEY)
            assert done["GET"] == expected
    assert await store.get(KEY) is None
    with moto_proxy.fault(TRANSIENT["throttled"]) as done, pytest.raises(StoreUnavailable):
        await store.get(KEY)
    assert done["GET"] == 4
    await store.close()


async def test_a_store_counts_as_silent_too_if_its_caller_gave_up_waiting(moto_proxy: Proxy, moto_bucket: str) -> None:
    store = await opened(moto_proxy.endpoint, moto_bucket, attempts=1000)
    numbers, repeated = itertools.count(1), threading.Event()

    def noticed(_: Request) -> bool:
        if next(numbers) == 2:
            repeated.set()
        return True

    with moto_proxy.fault(TRANSIENT["throttled"], on=noticed) as done:
        reading = asyncio.create_task(store.get(KEY))
        assert await asyncio.to_thread(repeated.wait, 60)
        reading.cancel()
        await asyncio.wait([reading])
        asked = done["GET"]
        with pytest.raises(StoreUnavailable):
            await store.get(KEY)
    assert done["GET"] - asked <= 2  # the attempt that was under way, and the one of the second call
    await store.close()


async def test_a_caller_who_gives_up_does_not_wait_for_further_attempts(moto_proxy: Proxy, moto_bucket: str) -> None:
    store = await opened(moto_proxy.endpoint, moto_bucket, attempts=20)
    with moto_proxy.fault(TRANSIENT["throttled"]) as done:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await store.get(KEY)
        asked = done["GET"]
        await store.close()
    assert 1 <= asked < 20
    assert done["GET"] <= asked + 1


async def test_a_store_that_is_opened_through_faults_is_probed_to_the_end(moto_proxy: Proxy, moto_bucket: str) -> None:
    with moto_proxy.fault(TRANSIENT["an answer that is lost"], on=once(puts)):
        store = await opened(moto_proxy.endpoint, moto_bucket)
    await store.put(KEY, b"one", expected=None)
    await store.close()


async def test_a_store_that_creates_what_should_have_a_version_is_refused(moto_proxy: Proxy, moto_bucket: str) -> None:
    """Some stores heed `If-Match` only where there is an object, and create one where there is none."""

    def written_anyway(request: Request, forward: Forward) -> Answer:
        answer = forward()
        if answer.status != 404:
            return answer
        del request.headers["If-Match"]
        return forward()

    def updates(request: Request) -> bool:
        return puts(request) and "If-Match" in request.headers

    with (
        moto_proxy.fault(written_anyway, on=updates),
        pytest.raises(
            StoreMisconfigured, match=f"s3://{moto_bucket} ignores the condition If-Match .* a missing object"
        ),
    ):
        await opened(moto_proxy.endpoint, moto_bucket)
    assert "Contents" not in s3.client(moto_proxy.endpoint).list_objects_v2(Bucket=moto_bucket)


async def test_a_store_that_is_not_there_or_not_ours_is_refused_with_its_name(
    moto_proxy: Proxy, moto_bucket: str
) -> None:
    with pytest.raises(
        StoreMisconfigured, match="s3://no-such-bucket rejected the request: NoSuchBucket; the bucket does not exist"
    ):
        await opened(moto_proxy.endpoint, "no-such-bucket")
    with (
        moto_proxy.fault(LASTING["access that is denied"], on=puts),
        pytest.raises(StoreReadOnly, match=f"s3://{moto_bucket} rejects"),
    ):
        await opened(moto_proxy.endpoint, moto_bucket)
    moto_proxy.stop()
    with pytest.raises(StoreUnavailable, match=f"s3://{moto_bucket} did not answer"):
        await opened(moto_proxy.endpoint, moto_bucket, attempts=1)
