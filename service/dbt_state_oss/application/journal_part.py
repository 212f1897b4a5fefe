"""A part of the journal in memory: decisions are noted, then encoded, then written. Only `Journal` creates parts."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec

from dbt_state_oss.application.codec import (
    BrokenDocument,
    JournalEntry,
    JournalPart,
    decode_journal_entry,
    encode,
)
from dbt_state_oss.application.keys import decision_id, journal_key
from dbt_state_oss.application.ports import Version
from dbt_state_oss.domain.explanation import abridged

MOST_ENTRIES = 64
MOST_BYTES = 256 * 1024
"""A part with this many entries or bytes is full. Parts are bounded because the whole part is written each time it grows."""

_LONGEST_ENTRY = 8 * 1024
"""The longest encoded decision in bytes. The explanation of a longer one is abridged."""
_PART_ID_BYTES = 8


class OpenPart:
    """Decisions of one session, of which some may not be written yet. No other process writes under its key."""

    def __init__(self, organization: str, day: str, session: str) -> None:
        self.organization = organization
        self.day = day
        self.session = session
        self.part = secrets.token_hex(_PART_ID_BYTES)
        self.key = journal_key(organization, day, session, self.part)
        self.version: Version | None = None
        """The version that was last written; None before that."""
        self.size = 0
        """Bytes of the encoded decisions."""
        self._taken = 0
        self._written = 0
        self._noted: list[JournalEntry] = []
        self._encoded: list[msgspec.Raw] = []

    @property
    def full(self) -> bool:
        return self._taken >= MOST_ENTRIES or self.size >= MOST_BYTES

    @property
    def unwritten(self) -> bool:
        """True if the part holds decisions that are not in the store."""
        return bool(self._noted) or self._written < len(self._encoded)

    def take_number(self) -> int:
        """Return the number of the part's next decision. The number is used up even if the decision is not stored."""
        self._taken += 1
        return self._taken

    def id_of(self, number: int) -> str:
        """Return the id of the decision with this number."""
        return decision_id(self.day, self.session, self.part, number)

    def add(self, entry: JournalEntry) -> None:
        self._noted.append(entry)

    def encode_noted(self) -> tuple[int, int]:
        """Encode the decisions that were noted since the last call. Return their number and their size in bytes."""
        noted, self._noted = self._noted, []
        encoded = [_encoded(entry) for entry in noted]
        self._encoded += map(msgspec.Raw, encoded)
        size = sum(map(len, encoded))
        self.size += size
        return len(noted), size

    def document(self) -> tuple[JournalPart, int]:
        """Return the document to write, and the number of decisions in it."""
        entries = tuple(self._encoded)
        return JournalPart(self.organization, self.day, self.session, self.part, entries), len(entries)

    def wrote(self, count: int, version: Version) -> None:
        """Note that the first `count` decisions are in the store."""
        self._written = count
        self.version = version

    def entries(self) -> Mapping[int, JournalEntry]:
        """Return all decisions, by number."""
        return entries_of(self._encoded) | {entry.number: entry for entry in self._noted}


def _encoded(entry: JournalEntry) -> bytes:
    data = encode(entry)
    if len(data) <= _LONGEST_ENTRY:
        return data
    return encode(replace(entry, explanation=abridged(entry.explanation)))


def entries_of(encoded: Iterable[msgspec.Raw]) -> dict[int, JournalEntry]:
    """Return the readable decisions of a part, by number (rule X3)."""
    entries = {}
    for each in encoded:
        try:
            entry = decode_journal_entry(each)
        except BrokenDocument:
            continue
        entries[entry.number] = entry
    return entries
