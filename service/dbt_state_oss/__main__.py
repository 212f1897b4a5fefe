"""Entry point of the command `dbt-state-oss` and of `python -m dbt_state_oss`."""

from __future__ import annotations

import sys

EXIT_INCOMPLETE = 1


def main() -> int:
    """Run the command and return its exit code."""
    try:
        from dbt_state_oss.cli.command import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "dbt_state_oss":
            raise
        sys.stderr.write(
            f"dbt-state-oss: the package {error.name} is missing; "
            "install it again with: pip install --force-reinstall dbt-state-oss\n"
        )
        return EXIT_INCOMPLETE
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
