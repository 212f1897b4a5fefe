"""The service ClientValidation: tells a client whether the server supports its version."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from packaging.version import Version
from query_cache_protobuf.query_cache.services.client_validation_service_pb2 import (
    ValidateClientVersionRequest,
    ValidateClientVersionResponse,
)

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.protocol.client_versions import ClientVersions
from dbt_state_oss.protocol.interceptors import Method

_log = structlog.get_logger(__name__)


class ClientValidationServicer:
    """Always answers explicitly, because the client treats an empty answer as a refusal and ends the run."""

    def __init__(self, supported: ClientVersions, on_begin: Callable[[str], None]) -> None:
        """`on_begin` is called with the session id of each dbt process at its start: the client validates its version before it
        compiles the first node."""
        self._supported = supported
        self._on_begin = on_begin

    @property
    def methods(self) -> dict[str, Method]:
        return {"ValidateClientVersion": self.validate_client_version}

    async def validate_client_version(
        self, caller: Caller, request: ValidateClientVersionRequest
    ) -> ValidateClientVersionResponse:
        """Accept an invalid version: a refusal would end the run, and all other answers are safe for any client."""
        self._on_begin(caller.session_id)
        text = request.dbt_run_cache_version
        try:
            is_supported = self._supported.serves(Version(text), caller.client)
        except ValueError:  # InvalidVersion, or too many digits for an int
            is_supported = True
            _log.warning(
                "client_version_invalid",
                client_version=text[:64],
                session_id=caller.session_id,
                cause="it is not a version number; the client is accepted",
            )
        if not is_supported:
            kind = "unknown" if caller.client is None else caller.client.value
            _log.warning(
                "client_version_refused",
                client=kind,
                client_version=text[:64],
                supported=str(self._supported),
                cause=f"version {text[:64]} of the client ({kind}) is not accepted; upgrade the client, "
                "or allow the version with DBTSTATE_CLIENT_VERSIONS",
                session_id=caller.session_id,
            )
        return ValidateClientVersionResponse(is_supported=is_supported)
