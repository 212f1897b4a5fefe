"""`dbt-state-oss state export|import`: copies the whole state from any store to a file, and from a file to any store."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import BinaryIO

from dbt_state_oss import __version__
from dbt_state_oss.application.ownership.archive import ArchivedDocument, ArchiveWriter, Header, read_header, records_of
from dbt_state_oss.application.ownership.transfer import Fate, Tally
from dbt_state_oss.cli.engines import opened
from dbt_state_oss.cli.flags import STORE_SETTINGS, add_settings
from dbt_state_oss.cli.progress import Progress
from dbt_state_oss.cli.transfers import expect_a_state, expect_no_difference, outcome_text
from dbt_state_oss.cli.whole_files import STANDARD_STREAM, read_again, written_whole
from dbt_state_oss.clock import SystemClock
from dbt_state_oss.domain.explanation import time_text
from dbt_state_oss.settings import Settings, StoreSettings

_EXPORT = """\
Write the whole state into one compressed file, from which any store can be filled. The file appears under its name
when it is complete. Only its owner can read it. Servers can keep running.

The ticket keys are left out unless --with-ticket-keys. They sign the tickets of builds that are not confirmed yet.
Servers on a state that is restored without them create new keys. Builds that were running then are not recorded and
run once more."""

_IMPORT = """\
Fill a store from an exported state. The whole file is checked before anything is written. Equal documents are left
alone and missing ones are created. If any document differs, nothing is written unless --overwrite.

An older state causes no wrong skip: tables that were written since are built. Targets that were invalidated after the
export have to be invalidated again, unless the store knows of it."""


def add_parsers(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `export` and `import`."""
    raw = argparse.RawDescriptionHelpFormatter
    exporting = actions.add_parser(
        "export", help="write the whole state into a file", description=_EXPORT, formatter_class=raw, allow_abbrev=False
    )
    exporting.add_argument("file", metavar="FILE", help="file to write; - is standard output")
    exporting.add_argument(
        "--with-ticket-keys",
        action="store_true",
        help="include the servers' secrets; protect the file like a password",
    )
    exporting.set_defaults(act=export_state)

    importing = actions.add_parser(
        "import",
        help="write an exported state into a store",
        description=_IMPORT,
        formatter_class=raw,
        allow_abbrev=False,
    )
    importing.add_argument("file", metavar="FILE", help="the file that `state export` wrote; - is standard input")
    importing.add_argument(
        "--overwrite", action="store_true", help="also write documents that differ; no recorded execution is lost"
    )
    importing.set_defaults(act=import_state)
    for parser in (exporting, importing):
        add_settings(parser, STORE_SETTINGS)


def export_state(options: argparse.Namespace, settings: Settings) -> int:
    """Write the archive and return the exit code.

    Raises StoreError, and InvalidRequest if the store is empty or the file cannot be written.
    """
    with written_whole(options.file) as file:
        count = asyncio.run(_export(settings.store, file, ticket_keys=options.with_ticket_keys))
    messages = sys.stderr if options.file == STANDARD_STREAM else sys.stdout
    messages.write(f"{count} documents exported\n")
    if not options.with_ticket_keys:
        messages.write("ticket keys are not included; use --with-ticket-keys to include them\n")
    return 0


async def _export(settings: StoreSettings, file: BinaryIO, *, ticket_keys: bool) -> int:
    header = Header(made_at=SystemClock().now(), server=__version__, ticket_keys=ticket_keys)
    with Progress("exported") as progress:
        async with (
            opened(settings, read_only=True, make=False) as engine,
            aclosing(engine.documents(ticket_keys=ticket_keys)) as documents,
        ):
            await expect_a_state(engine, settings.place)
            archive, number = ArchiveWriter(file, header), 0
            async for record in documents:
                archive.add(record)
                number += 1
                progress.update(number)
            return archive.finish()


def import_state(options: argparse.Namespace, settings: Settings) -> int:
    """Fill the store and return the exit code. Raises StoreError. After an InvalidRequest nothing was written."""
    with read_again(options.file) as file:
        header = read_header(file)
        with Progress("checked") as progress:
            for number, _ in enumerate(records_of(file), start=1):
                progress.update(number)
        tally = asyncio.run(_import(settings.store, file, overwrite=options.overwrite))
    print(f"exported {time_text(header.made_at)} by version {header.server}")
    print(outcome_text(tally))
    return 1 if tally.counts[Fate.OVERTAKEN] else 0


async def _import(settings: StoreSettings, file: BinaryIO, *, overwrite: bool) -> Tally:
    async def records() -> AsyncIterator[ArchivedDocument]:
        for record in records_of(file):
            yield record

    async with opened(settings) as engine:
        with Progress("compared") as progress:
            expected = await engine.compare(records, lambda tally: progress.update(tally.total))
        if not overwrite:
            expect_no_difference(expected)
        into_use = not await engine.is_empty()
        with Progress("imported") as progress:
            return await engine.bring_in(
                records, lambda tally: progress.update(tally.total), overwrite=overwrite, into_use=into_use
            )
