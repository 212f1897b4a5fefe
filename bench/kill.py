"""Kill -9 the server under load, 200 times unless told otherwise, and look for all that it had acknowledged.

    .venv/bin/python bench/kill.py --kills 200 --seed 7

Exits with 1 if anything is missing or broken; its directory, with the server's log, is then kept and named.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.durability.ordeal import Report, endure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="for the moments of the kills")
    parser.add_argument(
        "--beside", type=Path, default=Path(__file__).parent, help="where to make the directory: on a disk"
    )
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(dir=options.beside, prefix=".kill-"))
    print(f"seed {options.seed}, in {directory}", flush=True)
    try:
        report = endure(directory, kills=options.kills, seed=options.seed, tell=_progress)
    except AssertionError as error:
        print(f"{error}\nkept: {directory}")
        return 1
    print(report)
    if report.faults:
        print(f"kept: {directory}")
        return 1
    shutil.rmtree(directory)
    return 0


def _progress(report: Report) -> None:
    if report.kills % 10 == 0:
        print(f"{report.kills:4} kills, {report.seconds:5.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
