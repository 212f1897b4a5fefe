"""Versions that are no versions: refusing would end the user's run, so they are let in."""

from __future__ import annotations

import pytest
from query_cache_protobuf.query_cache.services.client_validation_service_pb2 import ValidateClientVersionRequest

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.protocol.client_validation import ClientValidationServicer
from dbt_state_oss.settings.parsers import CLIENT_VERSIONS, client_versions


@pytest.mark.parametrize("text", ["", "2.x", "9" * 5_000], ids=["empty", "a letter", "too many digits for an int"])
async def test_what_is_no_version_is_let_in(text: str) -> None:
    servicer = ClientValidationServicer(client_versions(CLIENT_VERSIONS), lambda session: None)
    request = ValidateClientVersionRequest(dbt_run_cache_version=text)

    answer = await servicer.validate_client_version(Caller("default", "0" * 32), request)

    assert answer.is_supported
