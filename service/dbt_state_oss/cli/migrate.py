"""`dbt-state-oss state migrate`: copies the whole state from one store to another."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from dataclasses import dataclass
from functools import partial

from dbt_state_oss.application.engine import Engine
from dbt_state_oss.application.ownership.transfer import Fate, Tally
from dbt_state_oss.cli.engines import opened
from dbt_state_oss.cli.progress import Progress
from dbt_state_oss.cli.store_urls import FORMS, store_settings_of
from dbt_state_oss.cli.transfers import expect_a_state, expect_no_difference, outcome_text
from dbt_state_oss.errors import InvalidSettings
from dbt_state_oss.settings import Settings
from dbt_state_oss.settings.places import LocalPlace, Place

_DESCRIPTION = f"""\
Copy the whole state of one store into another, including the ticket keys, so that builds which run during the move are
recorded. At the end every document is read again and compared.

Stop the servers first. If they have to keep running: copy once, move the servers to the new store, and copy again with
--overwrite before they are used there. The second pass copies only what was written since.

Endpoints, regions and prefixes that are not in the URL come from the store's variables. If two stores need different
values of one variable, use state export and state import.

stores: {FORMS}"""


@dataclass(frozen=True, slots=True)
class _Migrated:
    """What was written, and the result of comparing all documents again afterwards."""

    written: Tally
    checked: Tally

    @property
    def differing(self) -> int:
        """The number of documents that are missing in the new store or differ from those in the old one."""
        return self.checked.total - self.checked.counts[Fate.EQUAL]


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `migrate`."""
    parser = actions.add_parser(
        "migrate",
        help="copy the whole state into another store",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="STORE",
        help="store to read, such as local:DIR or s3://BUCKET/PREFIX",
    )
    parser.add_argument(
        "--to", dest="destination", required=True, metavar="STORE", help="store to write, in the same form"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="also write documents that differ, as in a second pass; without it nothing is written if any differs",
    )
    parser.set_defaults(act=migrate)


def migrate(options: argparse.Namespace, _: Settings) -> int:
    """Copy, check, and return the exit code.

    Raises StoreError. After an InvalidSettings or InvalidRequest nothing was written.
    """
    source, destination = (store_settings_of(url, os.environ) for url in (options.source, options.destination))
    _expect_apart(source.place, destination.place)

    async def run() -> _Migrated:
        async with opened(source, read_only=True, make=False) as reading:
            await expect_a_state(reading, source.place)
            async with opened(destination) as writing:
                return await _copy_and_check(reading, writing, overwrite=options.overwrite)

    migrated = asyncio.run(run())
    print(f"{source.place.address} → {destination.place.address}: {outcome_text(migrated.written)}")
    if migrated.differing or migrated.written.counts[Fate.OVERTAKEN]:
        sys.stderr.write(
            f"{migrated.differing} of {migrated.checked.total} documents have changed since: a server is writing; "
            "stop it and run this again with --overwrite\n"
        )
        return 1
    print(f"all {migrated.checked.total} documents were read again and are equal")
    print("if servers wrote to the old store meanwhile: stop them, and run this again with --overwrite")
    return 0


def _expect_apart(source: Place, destination: Place) -> None:
    """Raise InvalidSettings if the stores are the same, or if one contains the other."""
    if source == destination:
        raise InvalidSettings(f"--from and --to name the same store: {source.address}")
    inner, outer = sorted((f"{source.address}/", f"{destination.address}/"), key=len, reverse=True)
    if inner.startswith(outer) and not isinstance(source, LocalPlace):
        raise InvalidSettings(
            f"{inner[:-1]} is inside {outer[:-1]}; use two prefixes of which neither contains the other"
        )


async def _copy_and_check(source: Engine, destination: Engine, *, overwrite: bool) -> _Migrated:
    documents = partial(source.documents, ticket_keys=True)
    with Progress("compared") as progress:
        expected = await destination.compare(documents, lambda tally: progress.update(tally.total))
    if not overwrite:
        expect_no_difference(expected)
    with Progress("copied") as progress:
        written = await destination.bring_in(documents, lambda tally: progress.update(tally.total), overwrite=overwrite)
    with Progress("checked") as progress:
        checked = await destination.compare(documents, lambda tally: progress.update(tally.total))
    return _Migrated(written, checked)
