"""The command line: the list of commands, their help, and the exit code for each error."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from dbt_state_oss import __version__
from dbt_state_oss.cli import explain, serve, show_settings, state
from dbt_state_oss.cli.flags import NAME, add_settings, settings_of
from dbt_state_oss.errors import DbtStateError, InvalidSettings
from dbt_state_oss.settings import SETTINGS

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_DESCRIPTION = """\
A self-hosted decision server for dbt's dbt-state client. Before dbt builds a node, the client asks this
server whether the existing table is provably what the build would make. If so, dbt skips the build. All
state stays in your own storage."""

_EPILOG = f"""\
quick start:
  1. {NAME} serve
  2. in the shell that runs dbt (with the package dbt-state installed):
       export RUN_CACHE_API_URL=localhost:50051
       export RUN_CACHE_API_SECURE=false
     without a terminal, as in CI, also any two values (they are never sent):
       export RUN_CACHE_OAUTH_CLIENT_ID=none RUN_CACHE_OAUTH_CLIENT_SECRET=none
  3. run dbt build twice: the second run reuses what has not changed

The default command is serve: "{NAME} --port 6000" is "{NAME} serve --port 6000".
Every setting is an environment variable and, except for secrets, a flag; see "{NAME} serve --help".

exit codes:
  0    success; for serve: stopped by a signal after running calls were answered
  1    failure: the store cannot be opened, the port is in use, nothing matched
  2    wrong usage or invalid settings
  130  interrupted with Ctrl-C"""

_COMMANDS = ("serve", "state", "explain", "settings")


def run(arguments: Sequence[str]) -> int:
    """Run the command with `arguments` (without the program's name) and return the exit code."""
    try:
        return _run(_with_command(arguments))
    except InvalidSettings as error:
        return _report(error, EXIT_USAGE)
    except DbtStateError as error:
        return _report(error, EXIT_FAILURE)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of standard output closed the pipe, as `head` does. This is not a failure.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


def _run(arguments: Sequence[str]) -> int:
    options, unknown = _parser().parse_known_args(arguments)
    settings = settings_of(options, unknown, os.environ)
    match options.command:
        case "state":
            return state.run(options, settings)
        case "explain":
            return explain.run(options, settings)
        case "settings":
            return show_settings.run(options)
        case _:
            return serve.run(settings)


def _with_command(arguments: Sequence[str]) -> list[str]:
    """Return the arguments, with the default command in front if they name no command."""
    first = arguments[0] if arguments else ""
    if first in _COMMANDS or first in ("-h", "--help", "--version"):
        return list(arguments)
    if first and not first.startswith("-"):
        return list(arguments)
    return ["serve", *arguments]


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        NAME, description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", required=True)
    serving = commands.add_parser(
        "serve", help="start the server (the default)", description="Start the server.", allow_abbrev=False
    )
    add_settings(serving, SETTINGS)
    state.add_parser(commands)
    explain.add_parser(commands)
    showing = commands.add_parser(
        "settings",
        help="show the settings in force",
        description="Show the settings in force and where each comes from.",
        allow_abbrev=False,
    )
    add_settings(showing, SETTINGS)
    return parser


def _report(error: DbtStateError, code: int) -> int:
    sys.stderr.write(f"{NAME}: {error}\n")
    return code
