"""Help, version, exit codes and faults, as a user meets them."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from tests.cli.commands import run

from dbt_state_oss import __version__
from dbt_state_oss.settings import SETTINGS


def test_help_tells_a_newcomer_what_it_is_and_how_to_begin() -> None:
    result = run("--help")
    assert result.returncode == 0
    assert "A self-hosted decision server for dbt's dbt-state client" in result.stdout
    for words in (
        "RUN_CACHE_API_URL=localhost:50051",
        "RUN_CACHE_API_SECURE=false",
        "RUN_CACHE_OAUTH_CLIENT_ID=",
        "RUN_CACHE_OAUTH_CLIENT_SECRET=",
        "exit codes:",
    ):
        assert words in result.stdout


def test_help_of_serve_names_every_setting_with_its_variable_and_default() -> None:
    text = " ".join(run("serve", "--help").stdout.split())
    for setting in SETTINGS:
        assert setting.flag in text
        assert setting.default in text
        if setting.flag:
            assert re.search(rf"\[[^\]]*\b{setting.variable}\b[^\]]*; ", text), setting.variable


@pytest.mark.parametrize(
    "arguments", [["state", "--help"], ["state", "invalidate", "--help"], ["explain", "--help"], ["settings", "--help"]]
)
def test_every_command_has_help(arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("usage: dbt-state-oss")


def test_the_version_is_told() -> None:
    assert run("--version").stdout == f"dbt-state-oss {__version__}\n"


def test_faults_of_flags_variables_and_unknown_arguments_are_told_together() -> None:
    result = run("--prot", "1", "--port", "x", environment={"DBTSTATE_BUILDON": "ignore", "STATE_STORE": "s3"})
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "dbt-state-oss: 4 invalid settings:",
        "  - --prot is not an argument of this command (did you mean --port?)",
        "  - DBTSTATE_BUILDON is not a setting of this version (did you mean DBTSTATE_BUILD_ON?)",
        "  - DBTSTATE_S3_BUCKET (--bucket) must be set for this store",
        '  - --port must be an integer from 0 to 65535 (got "x")',
    ]


@pytest.mark.parametrize(
    "arguments", [["serv"], ["state"], ["state", "show"], ["serve", "--port"], ["state", "list", "a", "b"]]
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert run(*arguments).returncode == 2


def test_a_port_that_is_taken_ends_with_1_and_says_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("serve", "--dir", str(tmp_path), "--port", str(port))
    assert result.returncode == 1
    assert result.stderr == (
        f"dbt-state-oss: Cannot listen on 127.0.0.1:{port}: Address already in use. "
        "Stop the other process, or set --port to a free port.\n"
    )


def test_a_store_that_cannot_be_opened_ends_with_1_and_names_the_place(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    result = run("serve", "--dir", str(tmp_path / "state"), "--port", "0")
    assert result.returncode == 1
    assert str(tmp_path / "state") in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("content", "fault"),
    [(None, "cannot be read"), ("k1:c2hvcnQ=\n", "line 1"), ("# none\n", "no key")],
    ids=["absent", "a short key", "no key"],
)
def test_ticket_keys_that_are_no_good_end_with_2(tmp_path: Path, content: str | None, fault: str) -> None:
    keys = tmp_path / "keys"
    if content is not None:
        keys.write_text(content)
    result = run("serve", "--dir", str(tmp_path / "state"), "--port", "0", "--ticket-keys-file", str(keys))
    assert result.returncode == 2
    assert fault in result.stderr
    assert "c2hvcnQ" not in result.stderr


def test_settings_shows_what_counts_and_where_it_comes_from() -> None:
    result = run("settings", "--port", "6000", environment={"DBTSTATE_HOST": "::1"})
    assert result.returncode == 0
    rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines()}
    assert rows.keys() == {setting.variable for setting in SETTINGS if setting.applies_to("local")}
    assert rows["DBTSTATE_PORT"] == ["6000", "flag"]
    assert rows["DBTSTATE_HOST"] == ["::1", "environment"]
    assert rows["STATE_STORE"] == ["local", "default"]
    assert rows["DBTSTATE_TICKET_KEYS_FILE"] == ["(none)", "default"]


def test_a_missing_dependency_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "packaging").mkdir()
    (tmp_path / "packaging" / "__init__.py").write_text("raise ModuleNotFoundError('no', name='packaging')")
    result = run("serve", environment={"PYTHONPATH": str(tmp_path)})
    assert result.returncode == 1
    assert result.stderr == (
        "dbt-state-oss: the package packaging is missing; "
        "install it again with: pip install --force-reinstall dbt-state-oss\n"
    )
