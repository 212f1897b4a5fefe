"""Settings: where values come from, what they become, and that every fault is told at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from dbt_state_oss.application.caller import ClientLine
from dbt_state_oss.domain.decision import BuildOn, MissingEvidence
from dbt_state_oss.domain.node_patterns import NO_NODES, NodePatterns
from dbt_state_oss.errors import InvalidSettings
from dbt_state_oss.settings import MASK, SETTINGS, Setting, chosen, read_settings, shown
from dbt_state_oss.settings.parsers import CLIENT_VERSIONS, client_versions, needed
from dbt_state_oss.settings.places import AzurePlace, LocalPlace, S3Place
from dbt_state_oss.settings.stores import STORES
from dbt_state_oss.telemetry.logs import LogFormat

HOUR_MS = 3_600_000
MIB = 1024 * 1024


def row(name: str) -> Setting:
    return next(setting for setting in SETTINGS if name in (setting.variable, setting.flag))


def test_without_flags_and_variables_the_defaults_hold() -> None:
    settings = read_settings({}, {})
    assert settings.store.place == LocalPlace(Path.home() / ".local/state/dbt-state-oss")
    assert settings.store.cache_bytes == 64 * MIB
    assert (settings.listen.host, settings.listen.port) == ("127.0.0.1", 50051)
    assert settings.listen.max_request_bytes == 64 * MIB
    assert (settings.listen.call_timeout_seconds, settings.listen.drain_seconds) == (30.0, 20.0)
    assert settings.decisions.build_on is BuildOn.CONFIGS
    assert str(settings.decisions.client_versions) == "dbt-state>=2.17; dbt>=2.0.0.dev0"
    assert settings.decisions.missing_evidence is MissingEvidence.BUILD
    assert settings.tickets.lifetime_ms == 24 * HOUR_MS
    assert settings.tickets.keys_file is None
    assert 1 <= settings.parsing.workers <= 4


def test_the_published_names_are_kept() -> None:
    environment = {"STATE_STORE": "local", "DBTSTATE_LOCAL_DIR": "/state", "DBTSTATE_PORT": "6000"}
    settings = read_settings(environment, {})
    assert (settings.store.place, settings.listen.port) == (LocalPlace(Path("/state")), 6000)
    flags = {"--store": "local", "--dir": "/other", "--port": "6001"}
    settings = read_settings(environment, flags)
    assert (settings.store.place, settings.listen.port) == (LocalPlace(Path("/other")), 6001)
    flags = {"--store": "s3", "--bucket": "b", "--prefix": "a/b"}
    for place in (
        read_settings({}, flags).store.place,
        read_settings({"STATE_STORE": "s3", "DBTSTATE_S3_BUCKET": "b", "DBTSTATE_S3_PREFIX": "/a/b/"}, {}).store.place,
    ):
        assert isinstance(place, S3Place)
        assert (place.bucket, place.prefix, place.address) == ("b", "a/b", "s3://b/a/b")
    flags = {"--store": "azure", "--account": "a", "--container": "c"}
    for place in (
        read_settings({"DBTSTATE_AZURE_PREFIX": "p"}, flags).store.place,
        read_settings(
            {
                "STATE_STORE": "azure",
                "DBTSTATE_AZURE_ACCOUNT": "a",
                "DBTSTATE_AZURE_CONTAINER": "c",
                "DBTSTATE_AZURE_PREFIX": "p",
            },
            {},
        ).store.place,
    ):
        assert isinstance(place, AzurePlace)
        assert (place.account, place.container, place.address) == ("a", "c", "azure://a/c/p")


def test_the_places_of_the_other_stores_have_an_address() -> None:
    gcs = read_settings({"STATE_STORE": "gcs", "DBTSTATE_GCS_BUCKET": "b"}, {}).store.place
    assert gcs.address == "gs://b/dbt-state"
    onelake = read_settings({}, {"--store": "onelake", "--workspace": "w", "--lakehouse": "l.Lakehouse"}).store.place
    assert onelake.address == "onelake://w/l.Lakehouse/dbt-state"


@pytest.mark.parametrize(
    ("environment", "flags", "fault"),
    [
        ({"STATE_STORE": "s3"}, {}, "DBTSTATE_S3_BUCKET (--bucket) must be set for this store"),
        ({"STATE_STORE": "gcs"}, {}, "DBTSTATE_GCS_BUCKET (--bucket) must be set for this store"),
        (
            {"STATE_STORE": "azure", "DBTSTATE_AZURE_CONTAINER": "c"},
            {},
            "DBTSTATE_AZURE_ACCOUNT (--account) must be set for this store",
        ),
        ({"STATE_STORE": "s3"}, {"--bucket": "a/b"}, '--bucket must not contain spaces or slashes (got "a/b")'),
        (
            {},
            {"--bucket": "b"},
            '--bucket is not used by the store "local"; remove it, or choose its store with --store',
        ),
        (
            {"STATE_STORE": "gcs", "DBTSTATE_GCS_BUCKET": "b", "DBTSTATE_GCS_PREFIX": "a/../b"},
            {},
            'DBTSTATE_GCS_PREFIX must be a path of at most 256 characters of A-Z a-z 0-9 . _ = - (got "a/../b")',
        ),
        (
            {"STATE_STORE": "s3", "DBTSTATE_S3_BUCKET": "b", "DBTSTATE_S3_ENDPOINT": "minio:9000"},
            {},
            "DBTSTATE_S3_ENDPOINT must be an http:// or https:// address without user, password and query "
            '(got "minio:9000")',
        ),
    ],
)
def test_what_a_store_needs_is_asked_for(environment: dict[str, str], flags: dict[str, str], fault: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        read_settings(environment, flags)
    assert str(caught.value) == f"Invalid setting: {fault}."


def test_variables_of_stores_that_are_not_chosen_are_not_even_read() -> None:
    read_settings({"DBTSTATE_S3_PREFIX": "a/../b", "DBTSTATE_GCS_ENDPOINT": "nonsense"}, {})


def test_a_connection_string_is_a_secret() -> None:
    environment = {"STATE_STORE": "azure", "DBTSTATE_AZURE_CONTAINER": "c"}
    settings = read_settings({**environment, "DBTSTATE_AZURE_CONNECTION_STRING": "AccountKey=hunter2"}, {})
    assert isinstance(settings.store.place, AzurePlace)
    assert settings.store.place.connection_string == "AccountKey=hunter2"
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.store.place.address


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://user:hunter2@minio:9000/x", "https://********@minio:9000/x"),
        ("https://user:hunter2@/@minio", "https://********@minio"),
        ("https://team.blob.example/c?sv=1&sig=hunter2", "https://team.blob.example/c?********"),
    ],
)
def test_credentials_in_an_address_are_refused_and_not_told(address: str, told: str) -> None:
    environment = {"STATE_STORE": "s3", "DBTSTATE_S3_BUCKET": "b", "DBTSTATE_S3_ENDPOINT": address}
    with pytest.raises(InvalidSettings) as caught:
        read_settings(environment, {})
    assert f'"{told}"' in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_every_value_can_be_set_by_its_variable() -> None:
    settings = read_settings(
        {
            "DBTSTATE_CACHE_MIB": "0",
            "DBTSTATE_HOST": "::1",
            "DBTSTATE_MAX_REQUEST_MIB": "128",
            "DBTSTATE_CALL_TIMEOUT_SECONDS": "1.5",
            "DBTSTATE_DRAIN_SECONDS": "0",
            "DBTSTATE_LOG_FORMAT": "console",
            "DBTSTATE_LOG_LEVEL": "debug",
            "DBTSTATE_CLIENT_VERSIONS": ">=2.40,<3",
            "DBTSTATE_MISSING_EVIDENCE": "ignore",
            "DBTSTATE_BUILD_ON": "configs+macros",
            "DBTSTATE_TICKET_HOURS": "0.5",
            "DBTSTATE_TICKET_KEYS_FILE": "/keys",
            "DBTSTATE_PARSE_WORKERS": "3",
            "DBTSTATE_PARSE_TIMEOUT_SECONDS": "2",
        },
        {},
    )
    assert settings.store.cache_bytes == 0
    assert settings.listen.host == "::1"
    assert settings.listen.max_request_bytes == 128 * MIB
    assert (settings.listen.call_timeout_seconds, settings.listen.drain_seconds) == (1.5, 0.0)
    assert (settings.logs.format, settings.logs.level) == (LogFormat.CONSOLE, "debug")
    assert settings.decisions.build_on is BuildOn.CONFIGS_AND_MACROS
    assert str(settings.decisions.client_versions) == "dbt-state<3,>=2.40; dbt>=2.0.0.dev0"
    assert settings.decisions.missing_evidence is MissingEvidence.IGNORE
    assert (settings.tickets.lifetime_ms, settings.tickets.keys_file) == (HOUR_MS // 2, Path("/keys"))
    assert (settings.parsing.workers, settings.parsing.timeout_seconds) == (3, 2.0)


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read_settings({"DBTSTATE_PORT": ""}, {}).listen.port == 50051


def test_all_faults_are_told_in_one_message() -> None:
    with pytest.raises(InvalidSettings) as caught:
        read_settings(
            {"DBTSTATE_PORT": "http", "DBTSTATE_BUILD_ON": "never", "DBTSTATE_PROT": "1"},
            {"--call-timeout-seconds": "nan", "--client-versions": "newest"},
            other_faults=["--dri is not an argument of this command"],
        )
    assert str(caught.value).splitlines() == [
        "6 invalid settings:",
        "  - --dri is not an argument of this command",
        "  - DBTSTATE_PROT is not a setting of this version (did you mean DBTSTATE_PORT?)",
        '  - DBTSTATE_PORT must be an integer from 0 to 65535 (got "http")',
        '  - --call-timeout-seconds must be a number from 0.1 to 3600 (got "nan")',
        '  - --client-versions must be a list of client versions, such as "dbt-state>=2.17; dbt>=2.0.0.dev0" (got "newest")',
        '  - DBTSTATE_BUILD_ON must be one of configs, configs+macros, ignore (got "never")',
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("STATE_STORE", "S3"),
        ("DBTSTATE_PORT", "65536"),
        ("DBTSTATE_PORT", "-1"),
        ("DBTSTATE_PORT", "٥٠"),
        ("DBTSTATE_HOST", "a b"),
        ("DBTSTATE_HOST", "[::1]"),
        ("DBTSTATE_MAX_REQUEST_MIB", "0"),
        ("DBTSTATE_CACHE_MIB", "1.5"),
        ("DBTSTATE_CALL_TIMEOUT_SECONDS", "0"),
        ("DBTSTATE_DRAIN_SECONDS", "inf"),
        ("DBTSTATE_LOG_FORMAT", "xml"),
        ("DBTSTATE_LOG_LEVEL", "INFO"),
        ("DBTSTATE_TICKET_HOURS", "0"),
        ("DBTSTATE_PARSE_WORKERS", "0"),
    ],
)
def test_a_value_that_makes_no_sense_is_a_fault(name: str, text: str) -> None:
    with pytest.raises(InvalidSettings, match=name):
        read_settings({name: text}, {})


def test_a_store_that_there_is_none_of_is_one_fault_that_says_which_there_are() -> None:
    with pytest.raises(InvalidSettings) as caught:
        read_settings({"DBTSTATE_S3_BUCKET": "b"}, {"--store": "redis"})
    assert str(caught.value) == (
        'Invalid setting: --store must be one of local, s3, azure, gcs, onelake (got "redis").'
    )


def test_the_source_of_each_value_is_known() -> None:
    choices = chosen({"DBTSTATE_PORT": "1", "DBTSTATE_HOST": "::1"}, {"--port": "2"})
    assert (choices[row("--port")].text, choices[row("--port")].source) == ("2", "flag")
    assert (choices[row("--host")].text, choices[row("--host")].source) == ("::1", "environment")
    assert choices[row("--dir")].source == "default"


def test_a_secret_is_never_printed() -> None:
    def refuse(text: str) -> object:
        raise ValueError("must be longer")

    secret = replace(row("DBTSTATE_HOST"), variable="DBTSTATE_PASSWORD", parse=refuse, secret=True)
    assert shown(secret, "hunter2") == MASK
    assert shown(secret, "") == ""
    with pytest.raises(InvalidSettings) as caught:
        read_settings({"DBTSTATE_PASSWORD": "hunter2"}, {}, table=[*SETTINGS, secret])
    assert "hunter2" not in str(caught.value)
    assert f'DBTSTATE_PASSWORD must be longer (got "{MASK}")' in str(caught.value)


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("db", False)]
)
def test_it_is_known_who_can_connect(host: str, loopback: bool) -> None:
    assert read_settings({"DBTSTATE_HOST": host}, {}).listen.loopback is loopback


def test_names_are_unique_and_follow_the_convention() -> None:
    variables = [setting.variable for setting in SETTINGS]
    assert len(set(variables)) == len(variables)
    assert all(name.startswith("DBTSTATE_") for name in variables if name != "STATE_STORE")
    for store in STORES:
        flags = [setting.flag for setting in SETTINGS if setting.applies_to(store) and setting.flag]
        assert len(set(flags)) == len(flags)
        assert all(flag.startswith("--") for flag in flags)
    assert all(setting.secret for setting in SETTINGS if not setting.flag)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
def test_every_default_is_itself_valid(setting: Setting) -> None:
    if setting.parse is needed:
        with pytest.raises(ValueError, match="must be set"):
            setting.parse(setting.default)
    else:
        setting.parse(setting.default)


def test_nodes_that_are_never_reused_have_a_default_which_nothing_replaces() -> None:
    default = read_settings({}, {}).decisions.never_reuse
    assert default.match("model.dbt_project_evaluator.stg_nodes")
    assert default.match("model.elementary.dbt_models")
    assert not default.match("model.elementary.alerts_v1")
    for settings in (
        read_settings({"DBTSTATE_NEVER_REUSE": ""}, {}),
        read_settings({}, {"--never-reuse": ""}),
        read_settings({"DBTSTATE_NEVER_REUSE": "model.*"}, {"--never-reuse": ""}),
    ):
        assert settings.decisions.never_reuse == NO_NODES
    assert read_settings({}, {}).decisions.trusted_hooks == NO_NODES


def test_patterns_of_nodes_are_separated_by_commas() -> None:
    settings = read_settings({"DBTSTATE_NEVER_REUSE": "model.a.*, [!b]*"}, {"--trust-hooks": "*"})
    assert settings.decisions.never_reuse == NodePatterns(("model.a.*", "[!b]*"))
    assert settings.decisions.trusted_hooks == NodePatterns(("*",))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("model.a.*,,b", "must not contain an empty pattern"),
        ("model.a.*,", "must not contain an empty pattern"),
        ("model.a.* b", 'must not contain spaces in the pattern "model.a.* b"; separate patterns by commas'),
        ("model.[ab", 'must close the "[" in the pattern "model.[ab"'),
        ("model.[!]", 'must close the "[" in the pattern "model.[!]"'),
    ],
)
def test_patterns_that_cannot_be_meant_are_faults(text: str, fault: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        read_settings({"DBTSTATE_NEVER_REUSE": text}, {})
    assert str(caught.value) == f'Invalid setting: DBTSTATE_NEVER_REUSE {fault} (got "{text}").'


def serves(setting: str, version: str, line: ClientLine | None) -> bool:
    return client_versions(setting).serves(Version(version), line)


@pytest.mark.parametrize(
    ("version", "line", "served"),
    [
        ("2.17.1", ClientLine.PYTHON, True),
        ("2.16.9", ClientLine.PYTHON, False),
        ("3.0.0b1", ClientLine.PYTHON, True),
        ("2.0.0-alpha.4", ClientLine.RUST, True),
        ("2.0.0-preview.196", ClientLine.RUST, True),
        ("2.0.0-rc196", ClientLine.RUST, True),
        ("2.0.6", ClientLine.RUST, True),
        ("1.9.9", ClientLine.RUST, False),
        ("2.0.6", ClientLine.PYTHON, False),
        ("2.0.6", None, True),
        ("1.9.9", None, False),
    ],
)
def test_each_client_is_held_to_the_versions_of_its_own_line(
    version: str, line: ClientLine | None, served: bool
) -> None:
    assert serves(CLIENT_VERSIONS, version, line) is served


def test_a_line_that_the_setting_does_not_name_has_its_default() -> None:
    assert not serves("dbt>=2.1", "2.0.6", ClientLine.RUST)
    assert serves("dbt>=2.1", "2.17.1", ClientLine.PYTHON)
    assert serves("dbt-state>=2.50 ; dbt<2", "2.50", ClientLine.PYTHON)
    assert not serves("dbt-state>=2.50 ; dbt<2", "2.0.6", ClientLine.RUST)


@pytest.mark.parametrize("text", ["newest", "dbt-fusion>=2", "dbt>=2; dbt<3", ">=2; dbt-state<3", "dbt>=two"])
def test_what_is_no_list_of_client_versions_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a list of client versions"):
        client_versions(text)
