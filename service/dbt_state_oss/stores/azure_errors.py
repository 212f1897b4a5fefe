"""Translates errors of Azure's SDKs to errors of this project."""

from __future__ import annotations

import re
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from requests.exceptions import SSLError

from dbt_state_oss.errors import Conflict, StoreError, StoreMisconfigured, StoreReadOnly
from dbt_state_oss.stores.bucket import RETRYABLE_STATUSES, NoAnswer, foreign_answer, untrusted

_NOT_FOUND = 404
_CONDITION_FAILED = 412
_WRITE_REFUSED = (403, 405)
_ALREADY_EXISTS = ("BlobAlreadyExists", "PathAlreadyExists")
_PROTECTED = ("BlobImmutableDueToPolicy", "LeaseIdMissing", "SnapshotsPresent")
_WRONG_CREDENTIALS = ("AuthenticationFailed", "InvalidAuthenticationInfo", "KeyBasedAuthenticationNotPermitted")
_SIGN_IN_FAULT = re.compile(r"AADSTS\d+:.*?(?=\s*Trace ID|[\r\n]|$)")
_CONNECTION_FAILED = re.compile(r"HTTPS?Connection")
"""Matches a failed connection in the SDK's message. Only the text of the original error is left at this point."""

_ADVICE = {
    "AuthenticationFailed": "the credentials are invalid, or the clock of this machine is wrong",
    "AuthorizationFailure": "give this identity the role, and allow this host in the firewall of the account",
    "AuthorizationPermissionMismatch": "give this identity the role Storage Blob Data Contributor for the container",
    "BlobArchived": "a lifecycle rule has archived a blob that is in use; exclude the prefix from the rule",
    "BlobImmutableDueToPolicy": "an immutability policy prevents changes; exclude the prefix from it",
    "ContainerNotFound": "the container does not exist; create it, or check --container",
    "InvalidAuthenticationInfo": "the credentials are invalid or belong to another tenant",
    "KeyBasedAuthenticationNotPermitted": "the account does not allow shared keys; unset DBTSTATE_AZURE_CONNECTION_STRING",
    "LeaseIdMissing": "the blob has a lease; release the lease",
    "SnapshotsPresent": "a blob with snapshots cannot be deleted; delete the snapshots",
}


def explained(error: AzureError, place: str, *, changing: str = "", expected: str | None = None) -> StoreError:
    """Translate the SDK's error about the container `place`.

    `changing` is the blob that a write or delete was about, and `expected` the version that the blob had to have.
    """
    if not isinstance(error, HttpResponseError):
        return _no_answer(error, place)
    status, code = status_of(error), _code(error)
    if isinstance(error, ClientAuthenticationError) and not code:
        return _not_signed_in(error, place)
    if changing and code not in _PROTECTED:
        gone = is_absent(error) and expected is not None
        if gone or (code and status == _CONDITION_FAILED) or code in _ALREADY_EXISTS:
            return Conflict(f"{changing} has changed")
    if not status or status in RETRYABLE_STATUSES:
        return NoAnswer(f"the store {place} is temporarily unavailable ({code or status or 'the answer broke off'})")
    if not code:
        return foreign_answer(place)
    what = f"{code}; {_ADVICE[code]}" if code in _ADVICE else code
    if changing and code not in _WRONG_CREDENTIALS and (code in _PROTECTED or status in _WRITE_REFUSED):
        return StoreReadOnly(f"the store {place} rejects writes: {what}")
    return StoreMisconfigured(f"the store {place} rejected the request: {what}")


def is_absent(error: AzureError) -> bool:
    """Return whether the blob does not exist although the container does."""
    return status_of(error) == _NOT_FOUND and _code(error) not in ("", "ContainerNotFound")


def cause_of(error: AzureError) -> AzureError | None:
    """Return the error if it may be chained as the cause. Other errors may show a URL, which may contain a signature."""
    return error if isinstance(error, HttpResponseError) else None


def status_of(error: AzureError) -> int:
    """Return the HTTP status, or 0 if the answer was incomplete."""
    return (isinstance(error, HttpResponseError) and error.status_code) or 0


def _code(error: AzureError) -> str:
    """Return the service's error code, or an empty string if there is none."""
    response: Any = error.response if isinstance(error, HttpResponseError) else None
    code: str = response.headers.get("x-ms-error-code", "") if response else ""
    return code


def _no_answer(error: AzureError, place: str) -> StoreError:
    inner = error.inner_exception or error
    if isinstance(inner, SSLError):
        return untrusted(place)
    return NoAnswer(f"the store {place} did not answer ({type(inner).__name__})")


def _not_signed_in(error: ClientAuthenticationError, place: str) -> StoreError:
    fault = _SIGN_IN_FAULT.search(str(error))
    if not fault and _CONNECTION_FAILED.search(str(error)):
        return NoAnswer(f"the store {place} cannot be used: the token endpoint did not answer")
    return StoreMisconfigured(
        f"the store {place} cannot be used: {fault[0] if fault else 'no Azure identity found'}; "
        "use workload identity, a managed identity (AZURE_CLIENT_ID where there are several), a service principal "
        "(AZURE_TENANT_ID, AZURE_CLIENT_ID and its secret or certificate) or az login"
    )
