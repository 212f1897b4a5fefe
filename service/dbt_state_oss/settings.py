"""Settings: flags and environment into frozen values, read once at the start.

SETTINGS is the table that drives everything: names, defaults, parsing, `--help` and the reference in the docs. A flag wins
over its variable, an empty variable counts as not set, and all faults are told in one message.
"""

from __future__ import annotations

import difflib
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from dbt_state_oss.domain.cloning import CloneTargets
from dbt_state_oss.domain.decision import BuildOn
from dbt_state_oss.errors import InvalidSettings
from dbt_state_oss.telemetry.logs import LogFormat

STORES = ("local",)
"""The stores of this version."""

LOG_LEVELS = ("debug", "info", "warning", "error")
MASK = "********"

_PREFIX = "DBTSTATE_"
_OTHER_STORES = ("DBTSTATE_S3_", "DBTSTATE_AZURE_", "DBTSTATE_GCS_")
"""Variables of stores that are not selected have no effect and are no fault."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    kind: str
    directory: Path
    cache_bytes: int


@dataclass(frozen=True, slots=True)
class ListenSettings:
    host: str
    port: int
    """0 is any free port."""
    max_request_bytes: int
    call_timeout_seconds: float
    drain_seconds: float

    @property
    def loopback(self) -> bool:
        """Only this machine can connect."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


@dataclass(frozen=True, slots=True)
class LogSettings:
    format: LogFormat
    level: str


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    client_versions: SpecifierSet
    build_on: BuildOn
    clone_targets: CloneTargets


@dataclass(frozen=True, slots=True)
class TicketSettings:
    lifetime_ms: int
    keys_file: Path | None
    """None: the key ring lives in the store."""


@dataclass(frozen=True, slots=True)
class ParsingSettings:
    workers: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set."""

    store: StoreSettings
    listen: ListenSettings
    logs: LogSettings
    decisions: DecisionSettings
    tickets: TicketSettings
    parsing: ParsingSettings


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the table. `parse` raises ValueError with a phrase that goes on after the value: "is no port"."""

    variable: str
    flag: str
    field: str
    """Where the value goes: "group.attribute" of Settings."""
    default: str
    parse: Callable[[str], object]
    value: str
    """What to write after the flag, for help."""
    help: str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """The text that counts for a setting and where it came from: "flag", "environment" or "default"."""

    text: str
    source: str


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"is none of {', '.join(allowed)}")
        return text

    return parse


def _store(text: str) -> str:
    if text not in STORES:
        raise ValueError(f"is no store of this version, which has: {', '.join(STORES)}")
    return text


def _integer(low: int, high: int, factor: int = 1) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"is no whole number from {low} to {high}")
        return int(text) * factor

    return parse


def _number(low: float, high: float, factor: float = 1) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise ValueError(f"is no number from {low:g} to {high:g}")
        return number * factor

    return parse


def _hours(text: str) -> int:
    return int(_number(0.1, 24 * 30, 3_600_000)(text))


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _optional_path(text: str) -> Path | None:
    return _path(text) if text else None


def _specifiers(text: str) -> SpecifierSet:
    try:
        return SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ValueError('is no version specifier such as ">=2.17,<3"') from error


def _log_format(text: str) -> LogFormat:
    if text == "auto":
        return LogFormat.CONSOLE if sys.stderr.isatty() else LogFormat.JSON
    return LogFormat(_one_of("auto", *LogFormat)(text))


def _build_on(text: str) -> BuildOn:
    return BuildOn(_one_of(*(choice.value for choice in BuildOn))(text))


def _clone_targets(text: str) -> CloneTargets:
    return CloneTargets(_one_of(*(choice.value for choice in CloneTargets))(text))


def _workers(text: str) -> int:
    return min(4, os.cpu_count() or 1) if text == "auto" else _integer(1, 64)(text)


def _host(text: str) -> str:
    if not text or any(character.isspace() or character in "[]/" for character in text):
        raise ValueError("is no host name or address")
    return text


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "STATE_STORE", "--store", "store.kind", "local", _store, "STORE",
        "where the state is kept; this version has: " + ", ".join(STORES),
    ),
    Setting(
        "DBTSTATE_LOCAL_DIR", "--dir", "store.directory", "~/.local/state/dbt-state-oss", _path, "DIR",
        "directory of the local store, on a local disk; made where there is none",
    ),
    Setting(
        "DBTSTATE_CACHE_MIB", "--cache-mib", "store.cache_bytes", "64", _integer(0, 65_536, 1024 * 1024), "MIB",
        "memory for documents that were read; each is checked against the store before it is used",
    ),
    Setting(
        "DBTSTATE_HOST", "--host", "listen.host", "127.0.0.1", _host, "HOST",
        "address to listen on; there is no authentication yet, so leave it to this machine unless the network is trusted",
    ),
    Setting(
        "DBTSTATE_PORT", "--port", "listen.port", "50051", _integer(0, 65_535), "PORT",
        "port to listen on; 0 is any free one, told in the log",
    ),
    Setting(
        "DBTSTATE_MAX_REQUEST_MIB", "--max-request-mib", "listen.max_request_bytes", "64",
        _integer(1, 1_024, 1024 * 1024), "MIB", "largest request that is read",
    ),
    Setting(
        "DBTSTATE_CALL_TIMEOUT_SECONDS", "--call-timeout-seconds", "listen.call_timeout_seconds", "30",
        _number(0.1, 3_600), "SECONDS", "longest that a call may take, whatever deadline the client sent",
    ),
    Setting(
        "DBTSTATE_DRAIN_SECONDS", "--drain-seconds", "listen.drain_seconds", "20", _number(0, 3_600), "SECONDS",
        "how long running calls may go on after SIGTERM or Ctrl-C; a second signal ends them at once",
    ),
    Setting(
        "DBTSTATE_LOG_FORMAT", "--log-format", "logs.format", "auto", _log_format, "FORMAT",
        "console, json, or auto: console on a terminal, else one JSON object a line",
    ),
    Setting(
        "DBTSTATE_LOG_LEVEL", "--log-level", "logs.level", "info", _one_of(*LOG_LEVELS), "LEVEL",
        "least level that is logged: " + ", ".join(LOG_LEVELS),
    ),
    Setting(
        "DBTSTATE_CLIENT_VERSIONS", "--client-versions", "decisions.client_versions", ">=2.17", _specifiers, "SPECIFIER",
        "versions of dbt-state that are served; a client of another version ends its dbt run",
    ),
    Setting(
        "DBTSTATE_BUILD_ON", "--build-on", "decisions.build_on", "configs", _build_on, "CHANGES",
        "what builds a node though its SQL and data are unchanged: configs (a changed config, perhaps a hook), "
        "configs+macros (a changed macro too), ignore (neither)",
    ),
    Setting(
        "DBTSTATE_CLONES", "--clones", "decisions.clone_targets", "development", _clone_targets, "WHERE",
        "where a copy of an equal table may stand in for a build: development (anywhere but in the target that others defer "
        "to), everywhere, nowhere",
    ),
    Setting(
        "DBTSTATE_TICKET_HOURS", "--ticket-hours", "tickets.lifetime_ms", "24", _hours, "HOURS",
        "how long a build may take from its decision to its confirmation",
    ),
    Setting(
        "DBTSTATE_TICKET_KEYS_FILE", "--ticket-keys-file", "tickets.keys_file", "", _optional_path, "FILE",
        "file with the keys that seal tickets, shared by all replicas; without it the keys live in the store",
    ),
    Setting(
        "DBTSTATE_PARSE_WORKERS", "--parse-workers", "parsing.workers", "auto", _workers, "COUNT",
        "processes that parse SQL; auto is one for each processor, at most 4",
    ),
    Setting(
        "DBTSTATE_PARSE_TIMEOUT_SECONDS", "--parse-timeout-seconds", "parsing.timeout_seconds", "10",
        _number(0.1, 600), "SECONDS", "longest that parsing one query may take; then it is compared as text",
    ),
)  # fmt: skip
"""Every setting. Stores of later versions bring theirs."""


def chosen(
    environment: Mapping[str, str], flags: Mapping[str, str], table: Sequence[Setting] = SETTINGS
) -> dict[Setting, Chosen]:
    """Which text counts for each setting. `flags` is by flag, as it was written ("--port")."""
    choices = {}
    for setting in table:
        if setting.flag in flags:
            choices[setting] = Chosen(flags[setting.flag], "flag")
        elif environment.get(setting.variable):
            choices[setting] = Chosen(environment[setting.variable], "environment")
        else:
            choices[setting] = Chosen(setting.default, "default")
    return choices


def read_settings(
    environment: Mapping[str, str],
    flags: Mapping[str, str],
    *,
    other_faults: Sequence[str] = (),
    table: Sequence[Setting] = SETTINGS,
) -> Settings:
    """The settings in force; raises InvalidSettings with every fault, `other_faults` among them."""
    groups: dict[str, dict[str, Any]] = {}
    faults = [*other_faults, *_unknown_variables(environment, table)]
    for setting, choice in chosen(environment, flags, table).items():
        group, _, attribute = setting.field.partition(".")
        try:
            groups.setdefault(group, {})[attribute] = setting.parse(choice.text)
        except ValueError as error:
            faults.append(f"{_named(setting, choice)} {error}")
    if faults:
        raise InvalidSettings(faults_text(faults))
    return Settings(
        store=StoreSettings(**groups["store"]),
        listen=ListenSettings(**groups["listen"]),
        logs=LogSettings(**groups["logs"]),
        decisions=DecisionSettings(**groups["decisions"]),
        tickets=TicketSettings(**groups["tickets"]),
        parsing=ParsingSettings(**groups["parsing"]),
    )


def shown(setting: Setting, text: str) -> str:
    """A value as it may be printed: secrets masked."""
    return MASK if setting.secret and text else text


def suggestion(word: str, known: Sequence[str]) -> str:
    """ " (did you mean …?)" where something known looks like `word`, else nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def faults_text(faults: Sequence[str]) -> str:
    """All faults as one message."""
    if len(faults) == 1:
        return f"The settings have a fault: {faults[0]}."
    lines = "".join(f"\n  - {fault}" for fault in faults)
    return f"The settings have {len(faults)} faults:{lines}"


def _unknown_variables(environment: Mapping[str, str], table: Sequence[Setting]) -> list[str]:
    known = [setting.variable for setting in table]
    return [
        f"{name} is no variable of this version{suggestion(name, known)}"
        for name in sorted(environment)
        if name.startswith(_PREFIX) and name not in known and not name.startswith(_OTHER_STORES)
    ]


def _named(setting: Setting, choice: Chosen) -> str:
    name = setting.flag if choice.source == "flag" else setting.variable
    return f'{name} "{shown(setting, choice.text)}"'
