"""Our errors for those of Google's libraries."""

from __future__ import annotations

import re
from collections.abc import Mapping

from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError, TransportError
from requests import RequestException, Response
from requests.exceptions import SSLError
from urllib3.exceptions import HTTPError

from dbt_state_oss.errors import Conflict, StoreError, StoreMisconfigured, StoreReadOnly
from dbt_state_oss.stores.bucket import NoAnswer

_NOT_FOUND = 404
_CONDITION_FAILED = (409, 412)
"""409: another write was under way."""
_COME_AGAIN = (408, 429, 500, 502, 503, 504)
_TOO_OFTEN = ("rateLimitExceeded", "userRateLimitExceeded")
_TAKES_NO_WRITES = (403, 405)
_LONGEST_WORDS = 300
_SIGN_IN_FAULT = re.compile(r"\b(invalid_\w+|unauthorized_client|access_denied)\b")

_ADVICE = {
    401: "the store does not know the credentials",
    403: "allow this identity storage.objects.get, create, delete and list in the bucket's policy",
    404: "the bucket does not exist",
}


class Absent(StoreError):
    """There is no such object. Never leaves the bucket."""


def explained(error: GoogleAPICallError, place: str, *, changing: str = "", expected: str | None = None) -> StoreError:
    """Our error for a refusal by the bucket `place`; `changing` is the object that was to be changed from `expected`."""
    answer = error.response
    if answer is None or _is_of_an_impostor(answer):
        return impostor(place)
    status = answer.status_code
    absent = (
        status == _NOT_FOUND and "bucket does not exist" not in answer.text
    )  # without a bucket the status is the same
    if absent and not changing:
        return Absent(f"the object does not exist in {place}")
    if changing and ((absent and expected is not None) or status in _CONDITION_FAILED):
        return Conflict(f"{changing} has changed")
    reason, words = _fault(answer)
    if status in _COME_AGAIN or reason in _TOO_OFTEN:
        return NoAnswer(f"the store {place} is temporarily unavailable ({status} {reason})")
    what = "; ".join(part for part in (f"{status} {reason}".strip(), words, _ADVICE.get(status)) if part)
    if changing and status in _TAKES_NO_WRITES:
        return StoreReadOnly(f"the store {place} rejects writes: {what}")
    return StoreMisconfigured(f"the store {place} rejected the request: {what}")


def _is_of_an_impostor(answer: Response) -> bool:
    """Whether it is a page for people, or sends to one: neither comes from here, unless a gateway of Google's is in trouble."""
    return answer.is_redirect or answer.content[:64].lstrip().lower().startswith((b"<!doctype", b"<html"))


def impostor(place: str) -> NoAnswer:
    """What is said where an answer cannot be Google's."""
    return NoAnswer(f"the answer is not from {place}; check for a proxy")


def unanswered(error: RequestException | HTTPError, place: str) -> StoreError:
    """Our error where no answer came, or not all of it."""
    if isinstance(error, SSLError):
        return StoreMisconfigured(
            f"the store {place} cannot be used: its TLS certificate is not trusted, or it does not support TLS"
        )
    return NoAnswer(f"the store {place} did not answer ({type(error).__name__})")


def not_signed_in(error: GoogleAuthError, place: str) -> StoreError:
    """Our error where there are no credentials, or they bring no token."""
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
    """Google's word and words for what is wrong; empty where it said none."""
    try:
        error = answer.json()["error"]
    except (ValueError, LookupError, TypeError):
        return "", ""
    if not isinstance(error, Mapping):
        return "", ""
    first: Mapping[str, object] = next(iter(error.get("errors", ())), {})
    return str(first.get("reason", "")), str(error.get("message", "")).partition("\n")[0][:_LONGEST_WORDS]
