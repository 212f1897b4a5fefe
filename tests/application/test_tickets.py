"""Tickets carry the promise, and nothing but an untouched one of this organization opens (rule W3)."""

from __future__ import annotations

import base64

import pytest
from tests.application.conftest import LIFETIME_MS, RING, HandClock
from tests.domain.building import CASE, SUBMISSION, execution

from dbt_state_oss.application.ports import KeyRing
from dbt_state_oss.application.tickets import Tickets, parse_key_ring, shared_key_ring
from dbt_state_oss.errors import InvalidSettings, InvalidTicket
from dbt_state_oss.stores.memory import MemoryStore

DRAFT = execution(CASE)


@pytest.fixture
def tickets(clock: HandClock) -> Tickets:
    return Tickets(RING, clock, lifetime_ms=LIFETIME_MS)


def test_a_ticket_opens_to_what_was_sealed(tickets: Tickets) -> None:
    promise = tickets.open("default", tickets.seal("default", SUBMISSION.key, DRAFT))

    assert (promise.organization, promise.target, promise.draft) == ("default", SUBMISSION.key, DRAFT)


def test_another_replica_opens_it_and_a_rotated_ring_still_does(tickets: Tickets, clock: HandClock) -> None:
    rotated = Tickets(KeyRing("k2", {"k2": b"2" * 32, **RING.secrets}), clock, lifetime_ms=LIFETIME_MS)

    assert rotated.open("default", tickets.seal("default", SUBMISSION.key, DRAFT)).draft == DRAFT


def test_a_ticket_of_another_organization_is_refused(tickets: Tickets) -> None:
    with pytest.raises(InvalidTicket, match="another organization"):
        tickets.open("others", tickets.seal("default", SUBMISSION.key, DRAFT))


def test_an_expired_ticket_is_refused_and_one_just_in_time_is_not(tickets: Tickets, clock: HandClock) -> None:
    ticket = tickets.seal("default", SUBMISSION.key, DRAFT)

    clock.time += LIFETIME_MS
    tickets.open("default", ticket)
    clock.time += 1
    with pytest.raises(InvalidTicket, match="expired"):
        tickets.open("default", ticket)


def test_a_ticket_sealed_with_another_secret_is_refused(tickets: Tickets, clock: HandClock) -> None:
    forged = Tickets(KeyRing("k1", {"k1": b"x" * 32}), clock, lifetime_ms=LIFETIME_MS)

    with pytest.raises(InvalidTicket, match="signed with another key"):
        tickets.open("default", forged.seal("default", SUBMISSION.key, DRAFT))


@pytest.mark.parametrize(
    "ticket", ["", "a" * 32, "t1", "t1.k1", "t1.k1.", "t1.k1.!!!", "t1.k1.ä", "t1.k9.AAAA", "t2.k1.AAAA"]
)
def test_what_is_no_ticket_is_refused(tickets: Tickets, ticket: str) -> None:
    with pytest.raises(InvalidTicket, match="nothing was recorded"):
        tickets.open("default", ticket)


def test_a_ticket_with_any_byte_changed_is_refused(tickets: Tickets) -> None:
    head, _, text = tickets.seal("default", SUBMISSION.key, DRAFT).rpartition(".")
    sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    for position in range(len(sealed)):
        bent = bytearray(sealed)
        bent[position] ^= 1
        damaged = base64.urlsafe_b64encode(bytes(bent)).decode().rstrip("=")
        with pytest.raises(InvalidTicket):
            tickets.open("default", f"{head}.{damaged}")


async def test_replicas_on_one_store_share_one_ring() -> None:
    store = MemoryStore()

    one, other = await shared_key_ring(store), await shared_key_ring(store)

    assert one == other
    assert len(one.secrets[one.active]) == 32


def test_the_first_key_of_a_ring_seals() -> None:
    new, old = (base64.b64encode(byte * 32).decode() for byte in (b"n", b"o"))

    ring = parse_key_ring(f"# rotated\n\nnew:{new}\nold:{old}\n")

    assert ring == KeyRing("new", {"new": b"n" * 32, "old": b"o" * 32})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "k1",
        "k1:short",
        "k1:c2hvcnQ=",
        "bad id!:" + "QUFB" * 11,
        "k:" + "QUFB" * 11 + "\nk:" + "QUFB" * 11,
    ],
    ids=["empty", "comments", "no key", "no base64", "too short", "a bad id", "an id twice"],
)
def test_a_faulty_ring_is_refused_without_its_content(text: str) -> None:
    with pytest.raises(InvalidSettings, match="ticket keys") as caught:
        parse_key_ring(text)
    assert "QUFB" not in str(caught.value)
