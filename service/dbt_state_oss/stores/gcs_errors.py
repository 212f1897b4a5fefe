"""Translates errors of Google's libraries to errors of this project."""

from __future__ import annotations

import re
from collections.abc import Mapping

from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError, TransportError
from requests import RequestException, Response
from requests.exceptions import SSLError
from urllib3.exceptions import HTTPError

from dbt_state_oss.errors import Conflict, StoreError, StoreMisconfigured, StoreReadOnly
from dbt_state_oss.stores.bucket import RETRYABLE_STATUSES, NoAnswer, foreign_answer, untrusted

_NOT_FOUND = 404
_CONDITION_FAILED = (409, 412)
"""409: another write was in progress."""
_RATE_LIMITS = ("rateLimitExceeded", "userRateLimitExceeded")
_WRITE_REFUSED = (403, 405)
_LONGEST_MESSAGE = 300
_SIGN_IN_FAULT = re.compile(r"\b(invalid_\w+|unauthorized_client|access_denied)\b")

_ADVICE = {
    401: "the store does not know the credentials",
    403: "allow this identity storage.objects.get, create, delete and list in the bucket's policy",
    404: "the bucket does not exist; create it, or check --bucket",
}


class Absent(StoreError):
    """The object does not exist. This error never leaves the bucket."""


def explained(error: GoogleAPICallError, place: str, *, changing: str = "", expected: str | None = None) -> StoreError:
    """Translate an error response of the bucket `place`.

    `changing` is the object that a write or delete was about, and `expected` the version that it had to have.
    """
    answer = error.response
    if answer is None or _is_foreign(answer):
        return foreign_answer(place)
    status = answer.status_code
    absent = status == _NOT_FOUND and "bucket does not exist" not in answer.text  # a missing bucket has the same status
    if absent and not changing:
        return Absent(f"the object does not exist in {place}")
    if changing and ((absent and expected is not None) or status in _CONDITION_FAILED):
        return Conflict(f"{changing} has changed")
    reason, message = _fault(answer)
    if status in RETRYABLE_STATUSES or reason in _RATE_LIMITS:
        return NoAnswer(f"the store {place} is temporarily unavailable ({status} {reason})")
    what = "; ".join(part for part in (f"{status} {reason}".strip(), message, _ADVICE.get(status)) if part)
    if changing and status in _WRITE_REFUSED:
        return StoreReadOnly(f"the store {place} rejects writes: {what}")
    return StoreMisconfigured(f"the store {place} rejected the request: {what}")


def _is_foreign(answer: Response) -> bool:
    """Return whether the answer is an HTML page or a redirect. The storage API sends neither, unless Google's gateway fails."""
    return answer.is_redirect or answer.content[:64].lstrip().lower().startswith((b"<!doctype", b"<html"))


def no_answer(error: RequestException | HTTPError, place: str) -> StoreError:
    """Return the error for a missing or incomplete answer."""
    if isinstance(error, SSLError):
        return untrusted(place)
    return NoAnswer(f"the store {place} did not answer ({type(error).__name__})")


def not_signed_in(error: GoogleAuthError, place: str) -> StoreError:
    """Return the error for missing credentials, or for credentials that yield no token."""
    if isinstance(error, TransportError) or error.retryable:
        return NoAnswer(
            f"the store {place} cannot be used: timed out while waiting for an access token ({type(error).__name__})"
        )
    fault = _SIGN_IN_FAULT.search(str(error))
    return StoreMisconfigured(
        f"the store {place} cannot be used: {fault[0] if fault else 'no valid Google credentials found'}; use Workload "
        "Identity, an attached service account, GOOGLE_APPLICATION_CREDENTIALS or gcloud auth application-default login"
    )


def _fault(answer: Response) -> tuple[str, str]:
    """Return the reason and the message of Google's error, each empty if there is none."""
    try:
        error = answer.json()["error"]
    except (ValueError, LookupError, TypeError):
        return "", ""
    if not isinstance(error, Mapping):
        return "", ""
    first: Mapping[str, object] = next(iter(error.get("errors", ())), {})
    return str(first.get("reason", "")), str(error.get("message", "")).partition("\n")[0][:_LONGEST_MESSAGE]
