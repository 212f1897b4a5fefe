"""Settings: where values come from, what they become, and that every fault is told at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dbt_state_oss.domain.decision import BuildOn
from dbt_state_oss.errors import InvalidSettings
from dbt_state_oss.settings import MASK, SETTINGS, Setting, chosen, read_settings, shown
from dbt_state_oss.telemetry.logs import LogFormat

HOUR_MS = 3_600_000
MIB = 1024 * 1024


def row(name: str) -> Setting:
    return next(setting for setting in SETTINGS if name in (setting.variable, setting.flag))


def test_without_flags_and_variables_the_defaults_hold() -> None:
    settings = read_settings({}, {})
    assert settings.store.kind == "local"
    assert settings.store.directory == Path.home() / ".local/state/dbt-state-oss"
    assert settings.store.cache_bytes == 64 * MIB
    assert (settings.listen.host, settings.listen.port) == ("127.0.0.1", 50051)
    assert settings.listen.max_request_bytes == 64 * MIB
    assert (settings.listen.call_timeout_seconds, settings.listen.drain_seconds) == (30.0, 20.0)
    assert settings.decisions.build_on is BuildOn.CONFIGS
    assert "2.17" in settings.decisions.client_versions
    assert "2.16.9" not in settings.decisions.client_versions
    assert settings.tickets.lifetime_ms == 24 * HOUR_MS
    assert settings.tickets.keys_file is None
    assert 1 <= settings.parsing.workers <= 4


def test_the_published_names_are_kept() -> None:
    environment = {"STATE_STORE": "local", "DBTSTATE_LOCAL_DIR": "/state", "DBTSTATE_PORT": "6000"}
    settings = read_settings(environment, {})
    assert (settings.store.kind, settings.store.directory, settings.listen.port) == ("local", Path("/state"), 6000)
    flags = {"--store": "local", "--dir": "/other", "--port": "6001"}
    settings = read_settings(environment, flags)
    assert (settings.store.directory, settings.listen.port) == (Path("/other"), 6001)


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
    assert "2.30" not in settings.decisions.client_versions
    assert (settings.tickets.lifetime_ms, settings.tickets.keys_file) == (HOUR_MS // 2, Path("/keys"))
    assert (settings.parsing.workers, settings.parsing.timeout_seconds) == (3, 2.0)


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read_settings({"DBTSTATE_PORT": ""}, {}).listen.port == 50051


def test_all_faults_are_told_in_one_message() -> None:
    with pytest.raises(InvalidSettings) as caught:
        read_settings(
            {"DBTSTATE_PORT": "http", "DBTSTATE_BUILD_ON": "never", "DBTSTATE_PROT": "1"},
            {"--call-timeout-seconds": "nan", "--client-versions": "newest"},
            other_faults=["--dri is no argument of this command"],
        )
    assert str(caught.value).splitlines() == [
        "The settings have 6 faults:",
        "  - --dri is no argument of this command",
        "  - DBTSTATE_PROT is no variable of this version (did you mean DBTSTATE_PORT?)",
        '  - DBTSTATE_PORT "http" is no whole number from 0 to 65535',
        '  - --call-timeout-seconds "nan" is no number from 0.1 to 3600',
        '  - --client-versions "newest" is no version specifier such as ">=2.17,<3"',
        '  - DBTSTATE_BUILD_ON "never" is none of configs, configs+macros, ignore',
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


@pytest.mark.parametrize("store", ["s3", "azure", "gcs"])
def test_a_store_of_a_later_version_is_one_fault_that_says_which_there_are(store: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        read_settings({"DBTSTATE_S3_BUCKET": "b", "DBTSTATE_AZURE_ACCOUNT": "a"}, {"--store": store})
    assert str(caught.value) == (
        f'The settings have a fault: --store "{store}" is no store of this version, which has: local.'
    )


def test_the_source_of_each_value_is_known() -> None:
    choices = chosen({"DBTSTATE_PORT": "1", "DBTSTATE_HOST": "::1"}, {"--port": "2"})
    assert (choices[row("--port")].text, choices[row("--port")].source) == ("2", "flag")
    assert (choices[row("--host")].text, choices[row("--host")].source) == ("::1", "environment")
    assert choices[row("--dir")].source == "default"


def test_a_secret_is_never_printed() -> None:
    def refuse(text: str) -> object:
        raise ValueError("is too weak")

    secret = replace(row("DBTSTATE_HOST"), variable="DBTSTATE_PASSWORD", parse=refuse, secret=True)
    assert shown(secret, "hunter2") == MASK
    assert shown(secret, "") == ""
    with pytest.raises(InvalidSettings) as caught:
        read_settings({"DBTSTATE_PASSWORD": "hunter2"}, {}, table=[*SETTINGS, secret])
    assert "hunter2" not in str(caught.value)
    assert f'DBTSTATE_PASSWORD "{MASK}" is too weak' in str(caught.value)


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("db", False)]
)
def test_it_is_known_who_can_connect(host: str, loopback: bool) -> None:
    assert read_settings({"DBTSTATE_HOST": host}, {}).listen.loopback is loopback


def test_names_are_unique_and_follow_the_convention() -> None:
    variables = [setting.variable for setting in SETTINGS]
    flags = [setting.flag for setting in SETTINGS]
    assert len(set(variables)) == len(variables)
    assert len(set(flags)) == len(flags)
    assert all(name.startswith("DBTSTATE_") for name in variables if name != "STATE_STORE")
    assert all(flag.startswith("--") for flag in flags)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
def test_every_default_is_itself_valid(setting: Setting) -> None:
    setting.parse(setting.default)
