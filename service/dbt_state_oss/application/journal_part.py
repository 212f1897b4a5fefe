"""A part of the journal in memory: decisions as they are noted, then encoded, then written; for `Journal` alone."""

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
"""A part that holds so much takes no more: each time that it grows it is written whole."""

_LONGEST_ENTRY = 8 * 1024
"""Bytes of a decision that need no abridging."""
_PART_ID_BYTES = 8


class OpenPart:
    """Decisions of one session, some of them perhaps not written yet. No other process writes under its key."""

    def __init__(self, organization: str, day: str, session: str) -> None:
        self.organization = organization
        self.day = day
        self.session = session
        self.part = secrets.token_hex(_PART_ID_BYTES)
        self.key = journal_key(organization, day, session, self.part)
        self.version: Version | None = None
        """As it was last written; None before that."""
        self.size = 0
        """Bytes of what is encoded."""
        self._taken = 0
        self._written = 0
        self._noted: list[JournalEntry] = []
        self._encoded: list[msgspec.Raw] = []

    @property
    def full(self) -> bool:
        return self._taken >= MOST_ENTRIES or self.size >= MOST_BYTES

    @property
    def unwritten(self) -> bool:
        """Holds what the store does not."""
        return bool(self._noted) or self._written < len(self._encoded)

    def take_number(self) -> int:
        """The number of the part's next decision, whether or not it comes to be kept."""
        self._taken += 1
        return self._taken

    def id_of(self, number: int) -> str:
        """The id of the decision with this number."""
        return decision_id(self.day, self.session, self.part, number)

    def add(self, entry: JournalEntry) -> None:
        self._noted.append(entry)

    def encode_noted(self) -> tuple[int, int]:
        """Encode what was noted since; how many decisions that were, and how many bytes."""
        noted, self._noted = self._noted, []
        encoded = [_encoded(entry) for entry in noted]
        self._encoded += map(msgspec.Raw, encoded)
        size = sum(map(len, encoded))
        self.size += size
        return len(noted), size

    def document(self) -> tuple[JournalPart, int]:
        """The part as it is to be written, and how many decisions it holds."""
        entries = tuple(self._encoded)
        return JournalPart(self.organization, self.day, self.session, self.part, entries), len(entries)

    def wrote(self, count: int, version: Version) -> None:
        """The first `count` decisions are in the store."""
        self._written = count
        self.version = version

    def entries(self) -> Mapping[int, JournalEntry]:
        """All decisions, by number."""
        return entries_of(self._encoded) | {entry.number: entry for entry in self._noted}


def _encoded(entry: JournalEntry) -> bytes:
    data = encode(entry)
    if len(data) <= _LONGEST_ENTRY:
        return data
    return encode(replace(entry, explanation=abridged(entry.explanation)))


def entries_of(encoded: Iterable[msgspec.Raw]) -> dict[int, JournalEntry]:
    """The decisions of a part that can be read, by number (rule X3)."""
    entries = {}
    for each in encoded:
        try:
            entry = decode_journal_entry(each)
        except BrokenDocument:
            continue
        entries[entry.number] = entry
    return entries
