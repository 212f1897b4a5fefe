"""What Azure and Google Cloud Storage say when something is wrong, and what is made of it: told, repeated, or a lost race.

The real SDK is asked over a real connection; a proxy gives the answers that no emulator gives.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator

import pytest
from tests.emulators.clouds import AZURE, GCS, Cloud
from tests.emulators.proxy import Answer, Fault, Forward, Proxy, Request
from tests.emulators.running import Emulators
from tests.emulators.s3_faults import TRANSIENT

from dbt_state_oss.application.ports import UNCHANGED
from dbt_state_oss.errors import Conflict, StoreError, StoreMisconfigured, StoreReadOnly
from dbt_state_oss.stores.bucket import Blob, Bucket, NoAnswer, Page
from dbt_state_oss.stores.remote import RemoteStore

CALLS: dict[str, Callable[[Bucket, str], object]] = {
    "read": lambda bucket, version: bucket.read("a/b", None),
    "write": lambda bucket, version: bucket.write("a/b", b"new", version),
    "create": lambda bucket, version: bucket.write("a/c", b"new", None),
    "remove": lambda bucket, version: bucket.remove("a/b", version),
    "page": lambda bucket, version: bucket.page("a/", None),
}
BREAKS = [
    "a slow answer",
    "a connection that is reset",
    "an answer that is lost",
    "an answer that ends too early",
    "an answer of somebody else",
]
TIMEOUT_SECONDS = 0.5


@pytest.fixture(params=[AZURE, GCS], ids=["azure", "gcs"])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    found: Cloud = request.param
    return found


@pytest.fixture(autouse=True)
def _broken_answers_are_collected() -> Iterator[None]:
    """google-cloud-storage leaves the socket of an answer that broke off to the garbage collector, which warns of it."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def proxy(cloud: Cloud, emulators: Emulators) -> Iterator[Proxy]:
    proxy = Proxy((emulators.azurite if cloud is AZURE else emulators.fake_gcs).endpoint)
    yield proxy
    proxy.stop()


@pytest.fixture
def name(cloud: Cloud, emulators: Emulators) -> str:
    name = emulators.fresh_name()
    if cloud is AZURE:
        emulators.azurite.new_container(name).close()
    else:
        emulators.fake_gcs.new_bucket(name)
    return name


@pytest.fixture
def bucket(cloud: Cloud, proxy: Proxy, name: str) -> Iterator[Bucket]:
    bucket = cloud.bucket(proxy.endpoint, name, 20.0)
    yield bucket
    bucket.close()


@pytest.fixture
def version(bucket: Bucket) -> str:
    """Of the object a/b."""
    return bucket.write("a/b", b"one", None)


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_every_call_is_one_request(
    call: Callable[[Bucket, str], object], bucket: Bucket, version: str, proxy: Proxy
) -> None:
    proxy.seen.clear()
    call(bucket, version)
    assert len(proxy.seen) == 1


def test_a_large_document_is_one_request_too(cloud: Cloud, bucket: Bucket, proxy: Proxy) -> None:
    data = bytes(cloud.large_bytes)
    version = bucket.write("large", data, None)
    assert bucket.read("large", None) == Blob(data, version)
    assert len(proxy.seen) == 2


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
@pytest.mark.parametrize("fault", [TRANSIENT[name] for name in BREAKS], ids=BREAKS)
def test_a_connection_that_breaks_is_no_answer(
    fault: Fault, call: Callable[[Bucket, str], object], cloud: Cloud, proxy: Proxy, name: str, version: str
) -> None:
    impatient = cloud.bucket(proxy.endpoint, name, TIMEOUT_SECONDS)
    with proxy.fault(fault), pytest.raises(NoAnswer, match=name):
        call(impatient, version)
    impatient.close()


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again_by_others_than_the_sdk(
    status: int, call: Callable[[Bucket, str], object], cloud: Cloud, bucket: Bucket, proxy: Proxy, version: str
) -> None:
    with proxy.fault(cloud.says(status, "ServerBusy", "made up")) as done, pytest.raises(NoAnswer, match=cloud.place):
        call(bucket, version)
    assert done.total() == 1


@pytest.mark.parametrize("call", ["write", "create", "remove"])
def test_a_condition_that_does_not_hold_is_a_conflict(
    call: str, cloud: Cloud, bucket: Bucket, proxy: Proxy, version: str
) -> None:
    with proxy.fault(cloud.says(412, "ConditionNotMet", "made up")), pytest.raises(Conflict):
        CALLS[call](bucket, version)


def test_what_is_gone_is_a_conflict_where_it_was_to_be_changed_and_else_absent(
    cloud: Cloud, bucket: Bucket, proxy: Proxy, version: str
) -> None:
    with proxy.fault(cloud.says(404, "BlobNotFound", "No such object")):
        assert bucket.read("a/b", version) is None
        for call in ("write", "remove"):
            with pytest.raises(Conflict):
                CALLS[call](bucket, version)


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_a_bucket_that_is_not_there_is_told(
    call: Callable[[Bucket, str], object], cloud: Cloud, bucket: Bucket, proxy: Proxy, version: str
) -> None:
    says = cloud.says(404, "ContainerNotFound", "The specified bucket does not exist.")
    with proxy.fault(says), pytest.raises(StoreMisconfigured, match="does not exist") as caught:
        call(bucket, version)
    assert not isinstance(caught.value, NoAnswer)


@pytest.mark.parametrize("call", ["read", "write", "remove", "page"])
def test_a_permission_that_lacks_is_told_with_what_to_allow(
    call: str, cloud: Cloud, bucket: Bucket, proxy: Proxy, version: str
) -> None:
    expected = StoreMisconfigured if call in ("read", "page") else StoreReadOnly
    with (
        proxy.fault(cloud.says(403, "AuthorizationPermissionMismatch", "made up")),
        pytest.raises(expected, match="this identity") as caught,
    ):
        CALLS[call](bucket, version)
    assert not isinstance(caught.value, NoAnswer)


async def test_a_store_that_hides_what_is_absent_is_not_opened(cloud: Cloud, proxy: Proxy, name: str) -> None:
    bucket = cloud.bucket(proxy.endpoint, name, 20.0)
    absent = cloud.says(403, "AuthorizationPermissionMismatch", "made up")
    with (
        proxy.fault(absent, on=lambda request: request.method == "GET"),
        pytest.raises(StoreMisconfigured, match="this identity"),
    ):
        await RemoteStore.open(bucket, prefix="", attempts=2, connections=4)
    assert [method for method, _ in proxy.seen] == ["GET"]


def test_a_version_that_stands_is_answered_without_its_bytes(cloud: Cloud, bucket: Bucket, proxy: Proxy) -> None:
    with proxy.fault(lambda _, __: Answer(304, [], b"")):
        assert bucket.read("a/b", "1") is UNCHANGED


def test_an_empty_object_has_a_version(bucket: Bucket, version: str) -> None:
    emptied = bucket.write("a/b", b"", version)
    assert bucket.read("a/b", None) == Blob(b"", emptied)
    assert bucket.read("a/b", emptied) is UNCHANGED
    assert bucket.read("a/b", version) == Blob(b"", emptied)
    assert bucket.page("a/", None) == Page((), None)
    filled = bucket.write("a/b", b"two", emptied)
    assert bucket.read("a/b", emptied) == Blob(b"two", filled)


@pytest.mark.parametrize("cloud", [AZURE], indirect=True)
def test_azure_a_blob_that_was_filled_while_it_was_read_is_not_taken_for_empty(
    cloud: Cloud, bucket: Bucket, proxy: Proxy, version: str
) -> None:
    with proxy.fault(cloud.says(416, "InvalidRange", "made up"), on=lambda request: request.method == "GET"):
        with pytest.raises(NoAnswer, match="changed while it was read"):
            bucket.read("a/b", None)
        assert bucket.read("a/b", version) is UNCHANGED


@pytest.mark.parametrize("cloud", [AZURE], indirect=True)
@pytest.mark.parametrize(
    ("status", "code", "call", "expected", "words"),
    [
        (409, "BlobAlreadyExists", "create", Conflict, "has changed"),
        (409, "BlobImmutableDueToPolicy", "write", StoreReadOnly, "immutability policy"),
        (412, "LeaseIdMissing", "write", StoreReadOnly, "has a lease"),
        (409, "SnapshotsPresent", "remove", StoreReadOnly, "snapshots"),
        (409, "BlobArchived", "read", StoreMisconfigured, "lifecycle rule"),
        (409, "ResourceTypeMismatch", "write", StoreMisconfigured, "ResourceTypeMismatch"),
        (403, "AuthenticationFailed", "write", StoreMisconfigured, "the clock of this machine"),
        (403, "AuthorizationFailure", "page", StoreMisconfigured, "firewall"),
        (404, "PathNotFound", "create", StoreMisconfigured, "PathNotFound"),
    ],
)
def test_azure_each_refusal_is_told_as_what_it_is(
    status: int,
    code: str,
    call: str,
    expected: type[StoreError],
    words: str,
    cloud: Cloud,
    bucket: Bucket,
    proxy: Proxy,
    version: str,
) -> None:
    with proxy.fault(cloud.says(status, code, "made up")), pytest.raises(expected, match=words) as caught:
        CALLS[call](bucket, version)
    assert type(caught.value) is expected


@pytest.mark.parametrize("cloud", [GCS], indirect=True)
@pytest.mark.parametrize(
    ("status", "code", "call", "expected", "words"),
    [
        (403, "rateLimitExceeded", "write", NoAnswer, "rateLimitExceeded"),
        (403, "retentionPolicyNotMet", "write", StoreReadOnly, "retentionPolicyNotMet; a policy"),
        (401, "authError", "read", StoreMisconfigured, "credentials"),
        (400, "invalid", "page", StoreMisconfigured, "400 invalid; a policy"),
        (409, "conflict", "write", Conflict, "has changed"),
    ],
)
def test_gcs_each_refusal_is_told_as_what_it_is(
    status: int,
    code: str,
    call: str,
    expected: type[StoreError],
    words: str,
    cloud: Cloud,
    bucket: Bucket,
    proxy: Proxy,
    version: str,
) -> None:
    with proxy.fault(cloud.says(status, code, "a policy of the test")), pytest.raises(expected, match=words) as caught:
        CALLS[call](bucket, version)
    assert type(caught.value) is expected


@pytest.mark.parametrize("cloud", [AZURE], indirect=True)
def test_azure_a_page_for_people_is_no_listing(bucket: Bucket, proxy: Proxy) -> None:
    page = Answer(200, [("Content-Type", "text/html")], b"<html><body>Please log in.</body></html>")
    with proxy.fault(lambda _, __: page), pytest.raises(NoAnswer, match="the answer is not from"):
        bucket.page("a/", None)


@pytest.mark.parametrize("cloud", [AZURE], indirect=True)
def test_azure_a_namespace_with_folders_is_listed_without_them(bucket: Bucket, proxy: Proxy) -> None:
    with proxy.fault(_lists(("a/b", 3), ("a/bb", 0), ("a/b-c", 4), ("a/b/c", 5))):
        assert bucket.page("a/b", None) == Page(("a/b", "a/b-c", "a/b/c"), None)
    with proxy.fault(_lists(("A/b", 3))), pytest.raises(StoreMisconfigured, match="lists A/b under a/"):
        bucket.page("a/", None)


def _lists(*blobs: tuple[str, int]) -> Fault:
    listed = "".join(
        f"<Blob><Name>{name}</Name><Properties><Content-Length>{size}</Content-Length><BlobType>BlockBlob</BlobType>"
        "</Properties></Blob>"
        for name, size in blobs
    )
    body = f'<?xml version="1.0"?><EnumerationResults><Blobs>{listed}</Blobs><NextMarker/></EnumerationResults>'

    def fault(request: Request, _: Forward) -> Answer:
        assert "prefix=a%2F&" in request.path + "&", request.path
        return Answer(200, [("Content-Type", "application/xml")], body.encode())

    return fault
