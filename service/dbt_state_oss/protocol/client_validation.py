"""The service ClientValidation: is this client's version one that the server can serve?"""

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
    """Answers explicitly: the client takes an empty answer for a refusal and ends the run."""

    def __init__(self, supported: ClientVersions, begun: Callable[[str], None]) -> None:
        """`begun` is told the session of each dbt process that begins: it asks before it compiles its first node."""
        self._supported = supported
        self._begun = begun

    @property
    def methods(self) -> dict[str, Method]:
        return {"ValidateClientVersion": self.validate_client_version}

    async def validate_client_version(
        self, caller: Caller, request: ValidateClientVersionRequest
    ) -> ValidateClientVersionResponse:
        """A version that is none is let in: refusing ends the run, and every later answer is safe for any client."""
        self._begun(caller.session_id)
        text = request.dbt_run_cache_version
        try:
            is_supported = self._supported.serves(Version(text), caller.client)
        except ValueError:  # InvalidVersion, or too many digits for an int
            is_supported = True
            _log.warning("client_version_invalid", client_version=text[:64], session_id=caller.session_id)
        if not is_supported:
            name = "unknown" if caller.client is None else caller.client.value
            _log.warning(
                "client_version_refused",
                client=name,
                client_version=text[:64],
                supported=str(self._supported),
                cause=f"the {name} client {text[:64]} is not accepted; upgrade it, or allow it with DBTSTATE_CLIENT_VERSIONS",
                session_id=caller.session_id,
            )
        return ValidateClientVersionResponse(is_supported=is_supported)
