"""The values of all settings: frozen and grouped by what they configure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dbt_state_oss.application.policy import Policy
from dbt_state_oss.domain.cloning import CloneTargets
from dbt_state_oss.domain.decision import BuildOn, MissingEvidence
from dbt_state_oss.domain.node_patterns import NodePatterns
from dbt_state_oss.domain.sql.kept_sql import StoreSql
from dbt_state_oss.protocol.client_versions import ClientVersions
from dbt_state_oss.settings.places import Place
from dbt_state_oss.telemetry.logs import LogFormat


@dataclass(frozen=True, slots=True)
class StoreSettings:
    place: Place
    cache_bytes: int
    timeout_seconds: float
    attempts: int
    connections: int


@dataclass(frozen=True, slots=True)
class ListenSettings:
    host: str
    port: int
    """0 selects any free port."""
    max_request_bytes: int
    call_timeout_seconds: float
    drain_seconds: float

    @property
    def loopback(self) -> bool:
        """True if only this machine can connect."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


@dataclass(frozen=True, slots=True)
class LogSettings:
    format: LogFormat
    level: str


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    client_versions: ClientVersions
    build_on: BuildOn
    missing_evidence: MissingEvidence
    clone_targets: CloneTargets
    never_reuse: NodePatterns
    trusted_hooks: NodePatterns

    @property
    def policy(self) -> Policy:
        return Policy(self.build_on, self.missing_evidence, self.clone_targets, self.never_reuse, self.trusted_hooks)


@dataclass(frozen=True, slots=True)
class JournalSettings:
    days: int
    store_sql: StoreSql


@dataclass(frozen=True, slots=True)
class TicketSettings:
    lifetime_ms: int
    keys_file: Path | None
    """None: the key ring is kept in the store."""


@dataclass(frozen=True, slots=True)
class ParsingSettings:
    workers: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings."""

    store: StoreSettings
    listen: ListenSettings
    logs: LogSettings
    decisions: DecisionSettings
    journal: JournalSettings
    tickets: TicketSettings
    parsing: ParsingSettings
