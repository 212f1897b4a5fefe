"""Tickets: the promise between Submit and Confirm, carried by the client instead of stored (rule W3).

A ticket is what Confirm needs, packed, and sealed with HMAC-SHA256 under a key that every replica shares. It holds digests and
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
from dbt_state_oss.domain.submission import TargetKey
from dbt_state_oss.errors import Conflict, InvalidSettings, InvalidTicket, StoreUnavailable

_SECRET_BYTES = 32
_MAC_BYTES = 32
_MAX_UNPACKED = 16 * 1024 * 1024
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True, slots=True)
class Promise:
    """What a ticket carries. `draft` is the execution as it will be recorded, its outcome still empty."""

    organization: str
    target: TargetKey
    draft: Execution
    expires_at: int
    """Unix milliseconds."""
    copy: Execution | None = None
    """The execution that is recorded instead where a copy of another table was made, which the answer had offered (rule C4)."""


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Promise).decode


class Tickets:
    """Seals promises and opens tickets."""

    def __init__(self, ring: KeyRing, clock: Clock, *, lifetime_ms: int) -> None:
        self._ring = ring
        self._clock = clock
        self._lifetime_ms = lifetime_ms

    def seal(self, organization: str, target: TargetKey, draft: Execution, copy: Execution | None = None) -> str:
        """A ticket for `draft`, or for `copy` where one is made, good for this organization until its lifetime has passed."""
        promise = Promise(organization, target, draft, self._clock.now() + self._lifetime_ms, copy)
        payload = zlib.compress(_pack(promise), 1)
        sealed = _mac(self._ring.secrets[self._ring.active], payload) + payload
        return f"t1.{self._ring.active}.{base64.urlsafe_b64encode(sealed).rstrip(b'=').decode('ascii')}"

    def open(self, organization: str, ticket: str) -> Promise:
        """The promise; raises `InvalidTicket` if it is forged, damaged, foreign or expired."""
        version, _, rest = ticket.partition(".")
        key_id, _, text = rest.partition(".")
        secret = self._ring.secrets.get(key_id)
        if version != "t1" or secret is None:
            raise InvalidTicket(
                "the request id was signed with another key; nothing was recorded. All replicas need the same ticket keys"
            )
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidTicket("the request id is damaged; nothing was recorded") from error
        mac, payload = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
        if not hmac.compare_digest(mac, _mac(secret, payload)):
            raise InvalidTicket("the request id is damaged or was signed with another key; nothing was recorded")
        promise = _unpack(_unzipped(payload))
        if promise.organization != organization:
            raise InvalidTicket("the request id belongs to another organization; nothing was recorded")
        if promise.expires_at < self._clock.now():
            raise InvalidTicket(
                "the request id has expired (DBTSTATE_TICKET_HOURS); nothing was recorded, so the next run builds again"
            )
        return promise


def _mac(secret: bytes, payload: bytes) -> bytes:
    return hmac.digest(secret, b"dbt-state-oss ticket 1\x00" + payload, sha256)


def _unzipped(payload: bytes) -> bytes:
    inflater = zlib.decompressobj()
    data = inflater.decompress(payload, _MAX_UNPACKED)
    if inflater.unconsumed_tail:
        raise InvalidTicket("the request id is too large; nothing was recorded")
    return data


def parse_key_ring(text: str) -> KeyRing:
    """A key ring from lines `id:base64-of-32-bytes`; the first seals, all open, so a new key is put in front to rotate.

    Raises `InvalidSettings` with the line's number; never with its content.
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
        raise InvalidSettings("the ticket keys contain no key")
    return KeyRing(next(iter(keys)), keys)


def new_key_ring() -> KeyRing:
    """A key ring that nobody else has: its tickets are good in this process alone."""
    return parse_key_ring(_new_key())


def _new_key() -> str:
    secret = base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")
    return f"{secrets.token_hex(4)}:{secret}\n"


async def shared_key_ring(store: ObjectStore) -> KeyRing:
    """The key ring kept in the store, made by whichever replica comes first. Raises `StoreError`."""
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
    raise StoreUnavailable("the ticket keys could neither be read nor be written")
