"""Builds the shop five times and shows for each node whether it was built or reused, and why: `make demo`.

Ends with exit code 1 where a build did not do what the story promises, so that it also serves as a check.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import signal
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from example_project.playground import Playground, PlaygroundError
from example_project.report import TOTALS, WIDTH, build_table, faults, table, totals


@dataclass(frozen=True, slots=True)
class Edit:
    """A change to a model of the copied project."""

    model: str
    replace: str
    by: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """One build of the story: what happens before it, and where that enters dbt's graph.

    Whatever depends on one of `changed` must be built and all else be reused; None stands for everything.
    """

    title: str
    text: str
    changed: tuple[str, ...] | None
    edits: tuple[Edit, ...] = ()
    script: str | None = None


STORY = (
    Chapter(
        "Everything is new",
        "The source tables are filled. The server has never heard of this shop, so everything is built.",
        changed=None,
        script="raw.sql",
    ),
    Chapter(
        "Nothing has changed",
        "The same command again.",
        changed=(),
    ),
    Chapter(
        "A model changes its looks",
        "models/marts/daily_revenue.sql gets another comment, and GROUP BY in capitals. It still says the same.",
        changed=(),
        edits=(
            Edit("marts/daily_revenue.sql", "-- Revenue by", "-- What we sold, by"),
            Edit("marts/daily_revenue.sql", "group by", "GROUP BY"),
        ),
    ),
    Chapter(
        "A model changes its meaning",
        "In models/marts/dim_customers.sql the tier gold begins at 3000 now. That model and what depends on it is built.",
        changed=("model.shop.dim_customers",),
        edits=(Edit("marts/dim_customers.sql", ">= 2500 then 'gold'", ">= 3000 then 'gold'"),),
    ),
    Chapter(
        "New rows arrive in a source",
        "raw.orders has 200 rows more. What depends on them is built; customers and payments are as they were. "
        "(The lag tolerance is 0 here. By default the client lets a table be 45 minutes behind its sources.)",
        changed=("source.shop.raw.orders",),
        script="new_orders.sql",
    ),
)

CLOSING = """\
Each NO-OP is a query that the warehouse did not run. In a shop as small as this one dbt's own start takes most of the time.

Next, with a project of your own:
  pip install dbt-state                      # beside the dbt that you use; it needs no change to the project
  dbt-state-oss serve --store local --dir ~/.dbt-state-oss
  export RUN_CACHE_API_URL=localhost:50051 RUN_CACHE_API_SECURE=false
  export RUN_CACHE_OAUTH_CLIENT_ID=any RUN_CACHE_OAUTH_CLIENT_SECRET=any   # only where there is no terminal, as in CI
  dbt build                                  # and once more
More: example_project/README.md. To play with this very shop: make demo ARGS=--keep"""


def main() -> int:
    """Run the demo; the exit code is 0, or 1 for a failure or a broken promise, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument(
        "--keep", action="store_true", help="leave all running at the end, to play with, until Ctrl-C; keep the folder"
    )
    parser.add_argument(
        "--store",
        default="local",
        help="keep the state there, under a prefix of its own, where the DBTSTATE_… variables of that store say (default: local)",
    )
    parser.add_argument(
        "--builds",
        type=int,
        choices=range(1, len(STORY) + 1),
        default=len(STORY),
        help=f"stop after so many builds (default: all {len(STORY)})",
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with ExitStack() as cleaning_up:
            folder = Path(tempfile.mkdtemp(prefix="dbt-state-demo-")).resolve()
            if not options.keep:
                cleaning_up.callback(shutil.rmtree, folder)
            shop = cleaning_up.enter_context(Playground(folder, options.store))
            # Pushed last, so done first: from there on Ctrl-C may not interrupt the cleaning up.
            cleaning_up.callback(signal.signal, signal.SIGINT, signal.SIG_IGN)
            broken_promises = tell(shop, STORY[: options.builds])
            if options.keep:
                stay(shop)
    except KeyboardInterrupt:
        print("\nStopped, and cleaned up.")
        return 130
    except PlaygroundError as error:
        print(f"\nThe demo failed. {error}", file=sys.stderr)
        return 1
    return 1 if broken_promises else 0


def tell(shop: Playground, story: Sequence[Chapter]) -> list[str]:
    """Tell the story and sum it up; gives the promises that were not kept."""
    with progress("Starting PostgreSQL"):
        shop.start_database()
    with progress("Starting the decision server"):
        shop.start_server()
    summary, broken_promises = [], []
    for number, chapter in enumerate(story, start=1):
        print(f"\n{number}. {chapter.title}\n{textwrap.fill(chapter.text, WIDTH)}\n")
        if chapter.script:
            shop.load(chapter.script)
        for edit in chapter.edits:
            shop.edit(edit.model, replace=edit.replace, by=edit.by)
        with progress("dbt build --target prod"):
            build = shop.build()
        print(f"\n{build_table(build)}")
        summary.append((chapter.title, *totals(build)))
        broken_promises += [f"Build {number}, {fault}" for fault in faults(build, chapter.changed)]
    print(f"\n{table(('build', *TOTALS), summary)}\n")
    print(CLOSING)
    for fault in broken_promises:
        print(f"NOT AS PROMISED: {fault}", file=sys.stderr)
    return broken_promises


def stay(shop: Playground) -> None:
    """Say how to play with the shop, and wait for Ctrl-C."""
    settings = shop.folder / "settings.sh"
    lines = [f"export {name}={shlex.quote(value)}" for name, value in shop.settings.items()]
    lines.append(f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH")
    settings.write_text("\n".join([*lines, ""]))
    print(
        f"\nThe database and the server go on running. In another terminal:\n"
        f"  . {shlex.quote(str(settings))}\n"
        f"  cd {shlex.quote(str(shop.project))}\n"
        f"  dbt build --target prod\n"
        f"  dbt-state-oss state list --store local --dir {shlex.quote(str(shop.folder / 'state'))}\n"
        f"Ctrl-C here stops them; the project, the state and the logs stay in {shop.folder}."
    )
    with suppress(KeyboardInterrupt):
        signal.pause()


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Say what is going on, and how long it took."""
    print(f"{what} … ", end="", flush=True)
    started = time.monotonic()
    try:
        yield
    except BaseException:
        print("stopped")
        raise
    print(f"{time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    sys.exit(main())
