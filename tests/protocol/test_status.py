"""Every error of ours has a status, and none is one that the client would try again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from grpc import StatusCode

from dbt_state_oss import errors
from dbt_state_oss.errors import DbtStateError
from dbt_state_oss.protocol.status import status_of, status_of_timeout, status_of_unexpected

EXPECTED: dict[type[DbtStateError], StatusCode] = {
    errors.InvalidRequest: StatusCode.INVALID_ARGUMENT,
    errors.InvalidTicket: StatusCode.INVALID_ARGUMENT,
    errors.NothingRecorded: StatusCode.FAILED_PRECONDITION,
    errors.Overloaded: StatusCode.RESOURCE_EXHAUSTED,
    errors.StoreError: StatusCode.INTERNAL,
    errors.StoreUnavailable: StatusCode.INTERNAL,
    errors.StoreMisconfigured: StatusCode.INTERNAL,
    errors.StoreReadOnly: StatusCode.INTERNAL,
    errors.Conflict: StatusCode.INTERNAL,
}


def tree(kind: type[DbtStateError]) -> Iterator[type[DbtStateError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from tree(each)


@pytest.mark.parametrize("kind", sorted(set(tree(DbtStateError)), key=str))
def test_no_error_is_unavailable_which_each_node_would_wait_for(kind: type[DbtStateError]) -> None:
    code, details = status_of(kind("the disk is gone"))
    assert code not in (StatusCode.UNAVAILABLE, StatusCode.OK, StatusCode.UNKNOWN)
    assert details == "the disk is gone"


@pytest.mark.parametrize(("kind", "code"), EXPECTED.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_an_error_has_the_status_that_tells_what_to_do(kind: type[DbtStateError], code: StatusCode) -> None:
    assert status_of(kind("why"))[0] is code


def test_neither_timeouts_nor_surprises_are_unavailable() -> None:
    assert status_of_timeout(30.0)[0] is StatusCode.DEADLINE_EXCEEDED
    assert status_of_unexpected("b18b")[0] is StatusCode.INTERNAL
