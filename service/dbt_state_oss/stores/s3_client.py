"""Holds the current S3 client, and creates a new one when its credentials have been replaced.

botocore reads most credentials once. It renews credentials that have an expiry time. It does not notice a rewritten
credentials file, or keys that are revoked before they expire.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError

REFUSED_CREDENTIALS = frozenset(
    {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "TokenRefreshRequired"}
)
"""S3's error codes for credentials that it does not accept, or no longer accepts."""
_LOOK_SECONDS = 5.0
"""The time between two checks for new credentials."""

ClientWithCredentials = tuple[Any, Any]
"""A client and the credentials that it signs with (None if there are none)."""


class RenewedClient:
    """Holds the current client. Thread-safe."""

    def __init__(self, make: Callable[[], ClientWithCredentials]) -> None:
        """`make` creates a client with the credentials that botocore finds now. Raises what `make` raises."""
        self._make = make
        self._lock = threading.Lock()
        self.current, self._credentials = make()
        self._replaced: list[Any] = []
        self._checked_at = self._renewed_at = float("-inf")

    def renew(self) -> bool:
        """Return whether the refused credentials were replaced, now or a moment ago. If so, the request can be retried."""
        with self._lock:
            now = time.monotonic()
            if now - self._renewed_at < _LOOK_SECONDS:
                return True
            if now - self._checked_at < _LOOK_SECONDS:
                return False
            self._checked_at = now
            try:
                client, credentials = self._make()
                replaced = _frozen(credentials) != _frozen(self._credentials)
            except (BotoCoreError, ValueError):
                return False
            if not replaced:
                client.close()
                return False
            self._replaced.append(self.current)
            self.current, self._credentials, self._renewed_at = client, credentials, now
            return True

    def close(self) -> None:
        for client in (*self._replaced, self.current):
            client.close()


def _frozen(credentials: Any) -> Any:
    return None if credentials is None else credentials.get_frozen_credentials()
