"""The table of all settings. It defines names, defaults, parsing, `--help` and the reference in the docs."""

from __future__ import annotations

from dbt_state_oss.settings import parsers
from dbt_state_oss.settings.setting import Setting
from dbt_state_oss.settings.stores import STORE_SETTINGS, STORES

FILLED_BY_HOOKS = "model.dbt_project_evaluator.*,model.elementary.dbt_*"
"""Models of published packages whose hooks write data that is visible neither in their queries nor in their inputs."""

LOG_LEVELS = ("debug", "info", "warning", "error")

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "STATE_STORE", "--store", "store.kind", "local", parsers.one_of(*STORES), "STORE",
        "store that keeps the state: " + ", ".join(STORES),
    ),
    *STORE_SETTINGS,
    Setting(
        "DBTSTATE_CACHE_MIB", "--cache-mib", "store.cache_bytes", "64", parsers.integer(0, 65_536, 1024 * 1024), "MIB",
        "size of the cache of stored documents, in MiB; each entry is revalidated before it is used",
    ),
    Setting(
        "DBTSTATE_STORE_TIMEOUT_SECONDS", "--store-timeout-seconds", "store.timeout_seconds", "5", parsers.number(0.1, 300),
        "SECONDS", "timeout of one request to an object store",
    ),
    Setting(
        "DBTSTATE_STORE_ATTEMPTS", "--store-attempts", "store.attempts", "6", parsers.integer(1, 20), "COUNT",
        "how often a request that the object store does not answer is sent, while the caller waits",
    ),
    Setting(
        "DBTSTATE_STORE_CONNECTIONS", "--store-connections", "store.connections", "32", parsers.integer(1, 512), "COUNT",
        "concurrent requests to an object store",
    ),
    Setting(
        "DBTSTATE_HOST", "--host", "listen.host", "127.0.0.1", parsers.host, "HOST",
        "address to listen on; there is no authentication yet, so keep the default unless the network is trusted",
    ),
    Setting(
        "DBTSTATE_PORT", "--port", "listen.port", "50051", parsers.integer(0, 65_535), "PORT",
        "port to listen on; 0 selects a free port and logs it",
    ),
    Setting(
        "DBTSTATE_MAX_REQUEST_MIB", "--max-request-mib", "listen.max_request_bytes", "64",
        parsers.integer(1, 1_024, 1024 * 1024), "MIB", "largest request that is accepted, in MiB",
    ),
    Setting(
        "DBTSTATE_CALL_TIMEOUT_SECONDS", "--call-timeout-seconds", "listen.call_timeout_seconds", "30",
        parsers.number(0.1, 3_600), "SECONDS", "timeout of a call, whatever deadline the client sends",
    ),
    Setting(
        "DBTSTATE_DRAIN_SECONDS", "--drain-seconds", "listen.drain_seconds", "20", parsers.number(0, 3_600), "SECONDS",
        "time that running calls have to finish after SIGTERM or Ctrl-C; a second signal stops the server at once",
    ),
    Setting(
        "DBTSTATE_LOG_FORMAT", "--log-format", "logs.format", "auto", parsers.log_format, "FORMAT",
        "console, json, or auto (console on a terminal, otherwise JSON lines)",
    ),
    Setting(
        "DBTSTATE_LOG_LEVEL", "--log-level", "logs.level", "info", parsers.one_of(*LOG_LEVELS), "LEVEL",
        "lowest level that is logged: " + ", ".join(LOG_LEVELS),
    ),
    Setting(
        "DBTSTATE_CLIENT_VERSIONS", "--client-versions", "decisions.client_versions", parsers.CLIENT_VERSIONS,
        parsers.client_versions, "SPECIFIERS",
        "accepted versions of dbt-state (Python) and of dbt (v2), separated by a semicolon; other versions are rejected, "
        "and their dbt run fails",
    ),
    Setting(
        "DBTSTATE_BUILD_ON", "--build-on", "decisions.build_on", "configs", parsers.build_on, "configs|configs+macros|ignore",
        "which other changes build a node whose SQL and data are unchanged: configs (any changed configuration, which may be a "
        "hook), configs+macros (also a changed macro that the node's code calls, except those of its materialization), ignore "
        "(neither; contracts and snapshots are always compared)",
    ),
    Setting(
        "DBTSTATE_MISSING_EVIDENCE", "--missing-evidence", "decisions.missing_evidence", "build", parsers.missing_evidence,
        "build|ignore", "what happens to a node whose client does not report its configuration, and to a node with a custom "
        "materialization or incremental strategy: build, or ignore (reuse it, although a hook, a key or a test threshold may "
        "have changed, or a full refresh of a custom one is requested)",
    ),
    Setting(
        "DBTSTATE_CLONES", "--clones", "decisions.clone_targets", "development", parsers.clone_targets,
        "development|everywhere|nowhere",
        "where a node may be cloned from an equal table instead of built: development (everywhere except in the target that "
        "others defer to), everywhere, nowhere",
    ),
    Setting(
        "DBTSTATE_NEVER_REUSE", "--never-reuse", "decisions.never_reuse", FILLED_BY_HOOKS, parsers.node_patterns, "PATTERNS",
        "nodes that are always built: patterns of node IDs, packages or relations, separated by commas; an empty value "
        "means no node",
        may_be_empty=True,
    ),
    Setting(
        "DBTSTATE_TRUST_HOOKS", "--trust-hooks", "decisions.trusted_hooks", "", parsers.node_patterns, "PATTERNS",
        "nodes whose hooks change no table: they can be cloned, and their incremental runs that write no row do not rebuild "
        "readers; patterns as for --never-reuse, * for every node",
    ),
    Setting(
        "DBTSTATE_JOURNAL_DAYS", "--journal-days", "journal.days", "30", parsers.integer(1, 3_650), "DAYS",
        "how many days decisions are kept for explanations; older ones are deleted",
    ),
    Setting(
        "DBTSTATE_STORE_SQL", "--store-sql", "journal.store_sql", "none", parsers.store_sql, "none|canonical|full",
        "SQL that is kept to explain what changed: none (digests only), canonical (no comments, literals masked), "
        "full (with literals and configuration values)",
    ),
    Setting(
        "DBTSTATE_TICKET_HOURS", "--ticket-hours", "tickets.lifetime_ms", "24", parsers.hours, "HOURS",
        "longest time from the decision to the confirmation of a build",
    ),
    Setting(
        "DBTSTATE_TICKET_KEYS_FILE", "--ticket-keys-file", "tickets.keys_file", "", parsers.optional_path, "FILE",
        "file with the keys that sign tickets, shared by all replicas; default: keys in the store",
    ),
    Setting(
        "DBTSTATE_PARSE_WORKERS", "--parse-workers", "parsing.workers", "auto", parsers.workers, "COUNT",
        "processes that parse SQL; auto: one per CPU, at most 4",
    ),
    Setting(
        "DBTSTATE_PARSE_TIMEOUT_SECONDS", "--parse-timeout-seconds", "parsing.timeout_seconds", "10",
        parsers.number(0.1, 600), "SECONDS", "timeout of parsing one query; after it the query is compared as text",
    ),
)  # fmt: skip
