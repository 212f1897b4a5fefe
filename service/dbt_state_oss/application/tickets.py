"""Tickets: carry the data from Submit to Confirm through the client, so that the server does not store it (rule W3).

A ticket contains what Confirm needs, signed with HMAC-SHA256 and a key that all replicas share. It contains digests, and
names that the client itself sent, so it is authenticated but not encrypted.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from dbt_state_oss.application.keys import TICKET_KEYS
from dbt_state_oss.application.ports import Clock, Document, KeyRing, ObjectStore
from dbt_state_oss.domain.history import Execution
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import TargetKey
from dbt_state_oss.errors import Conflict, InvalidSettings, InvalidTicket, StoreUnavailable

_SECRET_BYTES = 32
_MAC_BYTES = 32
_MAX_UNPACKED = 16 * 1024 * 1024
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True, slots=True)
class Promise:
    """The content of a ticket. `draft` is the execution that will be recorded, still without an outcome."""

    organization: str
    target: TargetKey
    draft: Execution
    expires_at: int
    """Unix milliseconds."""
    copy: Execution | None = None
    """The execution that is recorded instead if the client made the clone that the answer offered (rule C4)."""
    views: tuple[Relation, ...] = ()
    """The views that the build reads, directly or through other views."""


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Promise).decode


class Tickets:
    """Converts promises to signed tickets, and verifies tickets."""

    def __init__(self, ring: KeyRing, clock: Clock, *, lifetime_ms: int) -> None:
        self._ring = ring
        self._clock = clock
        self._lifetime_ms = lifetime_ms

    def seal(
        self,
        organization: str,
        target: TargetKey,
        draft: Execution,
        copy: Execution | None = None,
        views: tuple[Relation, ...] = (),
    ) -> str:
        """Return a ticket for `draft`, or for `copy` if the client makes that clone.

        The ticket is valid for this organization until its lifetime has passed.
        """
        promise = Promise(organization, target, draft, self._clock.now() + self._lifetime_ms, copy, views)
        payload = zlib.compress(_pack(promise), 1)
        sealed = _mac(self._ring.secrets[self._ring.active], payload) + payload
        return f"t1.{self._ring.active}.{base64.urlsafe_b64encode(sealed).rstrip(b'=').decode('ascii')}"

    def open(self, organization: str, ticket: str) -> Promise:
        """Return the promise. Raises `InvalidTicket` if the ticket is forged, damaged, expired, or of another organization."""
        version, _, rest = ticket.partition(".")
        key_id, _, text = rest.partition(".")
        secret = self._ring.secrets.get(key_id)
        if version != "t1" or secret is None:
            raise InvalidTicket(
                "the ticket (request id) was signed with another key; nothing was recorded, so the next run "
                "builds again. All replicas need the same ticket keys"
            )
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidTicket(
                "the ticket (request id) is damaged; nothing was recorded, so the next run builds again"
            ) from error
        mac, payload = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
        if not hmac.compare_digest(mac, _mac(secret, payload)):
            raise InvalidTicket(
                "the ticket (request id) is damaged or was signed with another key; nothing was recorded, so the next run "
                "builds again"
            )
        promise = _unpack(_unzipped(payload))
        if promise.organization != organization:
            raise InvalidTicket("the ticket (request id) belongs to another organization; nothing was recorded")
        if promise.expires_at < self._clock.now():
            raise InvalidTicket(
                "the ticket (request id) has expired (DBTSTATE_TICKET_HOURS); nothing was recorded, so the next run "
                "builds again"
            )
        return promise


def _mac(secret: bytes, payload: bytes) -> bytes:
    return hmac.digest(secret, b"dbt-state-oss ticket 1\x00" + payload, sha256)


def _unzipped(payload: bytes) -> bytes:
    inflater = zlib.decompressobj()
    data = inflater.decompress(payload, _MAX_UNPACKED)
    if inflater.unconsumed_tail:
        raise InvalidTicket("the ticket (request id) is too large; nothing was recorded, so the next run builds again")
    return data


def parse_key_ring(text: str) -> KeyRing:
    """Parse a key ring from lines `id:base64-of-at-least-32-bytes`. Empty lines and lines that start with `#` are ignored.

    The first key signs, and all keys verify. So keys are rotated by putting a new key in front. Raises `InvalidSettings`
    with the line's number, never with its content.
    """
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        key_id, _, encoded = line.strip().partition(":")
        try:
            secret = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidSettings(f"ticket keys, line {number}: the key is not base64") from error
        if not _KEY_ID.fullmatch(key_id) or key_id in keys or len(secret) < _SECRET_BYTES:
            raise InvalidSettings(
                f"ticket keys, line {number}: expected ID:SECRET with a unique ID and at least {_SECRET_BYTES} bytes in base64"
            )
        keys[key_id] = secret
    if not keys:
        raise InvalidSettings("ticket keys: no key found; expected lines ID:SECRET")
    return KeyRing(next(iter(keys)), keys)


def new_key_ring() -> KeyRing:
    """Return a new random key ring. Its tickets are only valid in this process."""
    return parse_key_ring(_new_key())


def _new_key() -> str:
    secret = base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")
    return f"{secrets.token_hex(4)}:{secret}\n"


async def shared_key_ring(store: ObjectStore) -> KeyRing:
    """Return the key ring in the store. The first replica creates it. Raises `StoreError`."""
    for _ in range(3):
        document = await store.get(TICKET_KEYS)
        if isinstance(document, Document):
            return parse_key_ring(document.data.decode("ascii", "replace"))
        line = _new_key()
        try:
            await store.put(TICKET_KEYS, line.encode("ascii"), expected=None)
        except Conflict:
            continue
        return parse_key_ring(line)
    raise StoreUnavailable(
        "the ticket keys could not be created, since other servers changed them at the same time; start again"
    )
