"""The table that drives everything: names, defaults, parsing, `--help` and the reference in the docs."""

from __future__ import annotations

from dbt_state_oss.settings import parsers
from dbt_state_oss.settings.setting import Setting
from dbt_state_oss.settings.stores import STORE_SETTINGS, STORES

FILLED_BY_HOOKS = "model.dbt_project_evaluator.*,model.elementary.dbt_*"
"""Models of published packages whose hooks write what neither their queries nor their inputs say."""

LOG_LEVELS = ("debug", "info", "warning", "error")

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "STATE_STORE", "--store", "store.kind", "local", parsers.one_of(*STORES), "STORE",
        "where the state is kept: " + ", ".join(STORES),
    ),
    *STORE_SETTINGS,
    Setting(
        "DBTSTATE_CACHE_MIB", "--cache-mib", "store.cache_bytes", "64", parsers.integer(0, 65_536, 1024 * 1024), "MIB",
        "memory for documents that were read; each is checked against the store before it is used",
    ),
    Setting(
        "DBTSTATE_STORE_TIMEOUT_SECONDS", "--store-timeout-seconds", "store.timeout_seconds", "5", parsers.number(0.1, 300),
        "SECONDS", "how long one request to an object store may wait for its answer",
    ),
    Setting(
        "DBTSTATE_STORE_ATTEMPTS", "--store-attempts", "store.attempts", "6", parsers.integer(1, 20), "COUNT",
        "how often a request is made that an object store does not answer, as long as the caller waits",
    ),
    Setting(
        "DBTSTATE_STORE_CONNECTIONS", "--store-connections", "store.connections", "32", parsers.integer(1, 512), "COUNT",
        "most requests to an object store at the same time",
    ),
    Setting(
        "DBTSTATE_HOST", "--host", "listen.host", "127.0.0.1", parsers.host, "HOST",
        "address to listen on; there is no authentication yet, so leave it to this machine unless the network is trusted",
    ),
    Setting(
        "DBTSTATE_PORT", "--port", "listen.port", "50051", parsers.integer(0, 65_535), "PORT",
        "port to listen on; 0 is any free one, told in the log",
    ),
    Setting(
        "DBTSTATE_MAX_REQUEST_MIB", "--max-request-mib", "listen.max_request_bytes", "64",
        parsers.integer(1, 1_024, 1024 * 1024), "MIB", "largest request that is read",
    ),
    Setting(
        "DBTSTATE_CALL_TIMEOUT_SECONDS", "--call-timeout-seconds", "listen.call_timeout_seconds", "30",
        parsers.number(0.1, 3_600), "SECONDS", "longest that a call may take, whatever deadline the client sent",
    ),
    Setting(
        "DBTSTATE_DRAIN_SECONDS", "--drain-seconds", "listen.drain_seconds", "20", parsers.number(0, 3_600), "SECONDS",
        "how long running calls may go on after SIGTERM or Ctrl-C; a second signal ends them at once",
    ),
    Setting(
        "DBTSTATE_LOG_FORMAT", "--log-format", "logs.format", "auto", parsers.log_format, "FORMAT",
        "console, json, or auto: console on a terminal, else one JSON object a line",
    ),
    Setting(
        "DBTSTATE_LOG_LEVEL", "--log-level", "logs.level", "info", parsers.one_of(*LOG_LEVELS), "LEVEL",
        "least level that is logged: " + ", ".join(LOG_LEVELS),
    ),
    Setting(
        "DBTSTATE_CLIENT_VERSIONS", "--client-versions", "decisions.client_versions", parsers.CLIENT_VERSIONS,
        parsers.client_versions, "SPECIFIERS",
        "versions that are served of dbt-state (Python) and of dbt (v2, in Rust), separated by a semicolon; a client of "
        "another version ends its dbt run",
    ),
    Setting(
        "DBTSTATE_BUILD_ON", "--build-on", "decisions.build_on", "configs", parsers.build_on, "CHANGES",
        "what builds a node though its SQL and data are unchanged: configs (a changed config, perhaps a hook), "
        "configs+macros (a changed macro that its code calls, too; not the macros of its materialization), ignore (neither)",
    ),
    Setting(
        "DBTSTATE_MISSING_EVIDENCE", "--missing-evidence", "decisions.missing_evidence", "build", parsers.missing_evidence,
        "HOW", "what to do with a node whose client does not report its configuration: build, or ignore (reuse it, although a "
        "hook, a key or a threshold of a test may have changed)",
    ),
    Setting(
        "DBTSTATE_CLONES", "--clones", "decisions.clone_targets", "development", parsers.clone_targets, "WHERE",
        "where a copy of an equal table may stand in for a build: development (anywhere but in the target that others defer "
        "to), everywhere, nowhere",
    ),
    Setting(
        "DBTSTATE_NEVER_REUSE", "--never-reuse", "decisions.never_reuse", FILLED_BY_HOOKS, parsers.node_patterns, "PATTERNS",
        "nodes that are always built: patterns of node ids, packages or relations, separated by commas; empty for none",
        may_be_empty=True,
    ),
    Setting(
        "DBTSTATE_TRUST_HOOKS", "--trust-hooks", "decisions.trusted_hooks", "", parsers.node_patterns, "PATTERNS",
        "nodes whose hooks change no table: they may be cloned, and incremental runs that write no row build no reader; "
        "patterns as for --never-reuse; "
        "* is every node",
    ),
    Setting(
        "DBTSTATE_JOURNAL_DAYS", "--journal-days", "journal.days", "30", parsers.integer(1, 3_650), "DAYS",
        "how long decisions can be explained; older ones are deleted from the store",
    ),
    Setting(
        "DBTSTATE_STORE_SQL", "--store-sql", "journal.store_sql", "none", parsers.store_sql, "HOW",
        "SQL that is kept to explain what changed: none (digests), canonical (comments gone, literals masked), "
        "full (with literals and values of the configuration)",
    ),
    Setting(
        "DBTSTATE_TICKET_HOURS", "--ticket-hours", "tickets.lifetime_ms", "24", parsers.hours, "HOURS",
        "how long a build may take from its decision to its confirmation",
    ),
    Setting(
        "DBTSTATE_TICKET_KEYS_FILE", "--ticket-keys-file", "tickets.keys_file", "", parsers.optional_path, "FILE",
        "file with the keys that seal tickets, shared by all replicas; without it the keys live in the store",
    ),
    Setting(
        "DBTSTATE_PARSE_WORKERS", "--parse-workers", "parsing.workers", "auto", parsers.workers, "COUNT",
        "processes that parse SQL; auto is one for each processor, at most 4",
    ),
    Setting(
        "DBTSTATE_PARSE_TIMEOUT_SECONDS", "--parse-timeout-seconds", "parsing.timeout_seconds", "10",
        parsers.number(0.1, 600), "SECONDS", "longest that parsing one query may take; then it is compared as text",
    ),
)  # fmt: skip
