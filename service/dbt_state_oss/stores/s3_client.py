"""The client of S3 that is in use, made anew once its credentials have been replaced.

botocore reads most credentials once. Those that come with an expiry it renews itself; a file that somebody rewrites, or keys that
are withdrawn before they expire, it does not notice.
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
"""What S3 says to credentials that it does not accept, or not any longer."""
_LOOK_SECONDS = 5.0
"""Between two looks for other credentials."""

Made = tuple[Any, Any]
"""A client, and the credentials that it signs with; None where there are none."""


class RenewedClient:
    """Holds the current client; for any thread."""

    def __init__(self, make: Callable[[], Made]) -> None:
        """`make` looks for credentials wherever botocore does. Raises what it raises."""
        self._make = make
        self._lock = threading.Lock()
        self.current, self._credentials = make()
        self._replaced: list[Any] = []
        self._looked_at = self._renewed_at = float("-inf")

    def renew(self) -> bool:
        """Whether the refused credentials have been replaced, now or a moment ago: then the request may be made again."""
        with self._lock:
            now = time.monotonic()
            if now - self._renewed_at < _LOOK_SECONDS:
                return True
            if now - self._looked_at < _LOOK_SECONDS:
                return False
            self._looked_at = now
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
