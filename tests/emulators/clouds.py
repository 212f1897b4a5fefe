"""Azure and Google Cloud Storage as tests ask them through a proxy: how to reach them, and in which form they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from tests.emulators.azure import ACCOUNT, connection_string
from tests.emulators.proxy import Answer, Fault, Forward, Request

from dbt_state_oss.stores.azure import AzureBucket
from dbt_state_oss.stores.bucket import Bucket
from dbt_state_oss.stores.gcs import GcsBucket

CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Cloud:
    """`bucket` makes ours at an endpoint, by its name; `says` answers with a status, the cloud's word and its words."""

    place: str
    bucket: Callable[[str, str, float], Bucket]
    says: Callable[[int, str, str], Fault]
    large_bytes: int
    """So large a document is still one request."""


def _azure(endpoint: str, name: str, timeout_seconds: float) -> Bucket:
    return AzureBucket(
        name,
        place=f"azure://{ACCOUNT}/{name}",
        connection_string=connection_string(endpoint),
        connections=CONNECTIONS,
        timeout_seconds=timeout_seconds,
    )


def _gcs(endpoint: str, name: str, timeout_seconds: float) -> Bucket:
    return GcsBucket(name, endpoint=endpoint, connections=CONNECTIONS, timeout_seconds=timeout_seconds)


def _azure_says(status: int, code: str, words: str) -> Fault:
    body = f"<Error><Code>{code}</Code><Message>{words}</Message></Error>".encode()
    return _answers(Answer(status, [("Content-Type", "application/xml"), ("x-ms-error-code", code)], body))


def _gcs_says(status: int, code: str, words: str) -> Fault:
    error = {"code": status, "message": words, "errors": [{"reason": code, "message": words}]}
    return _answers(Answer(status, [("Content-Type", "application/json")], json.dumps({"error": error}).encode()))


def _answers(answer: Answer) -> Fault:
    def fault(_: Request, __: Forward) -> Answer:
        return answer

    return fault


AZURE = Cloud(f"azure://{ACCOUNT}", _azure, _azure_says, large_bytes=65 << 20)
GCS = Cloud("gs:/", _gcs, _gcs_says, large_bytes=8 << 20)
