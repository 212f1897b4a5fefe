"""A shop that dbt v2 builds, held against what the same release builds without state."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.dbt_v2.clients import DbtV2
from tests.e2e.server import StateServer
from tests.e2e.shop import DEVELOPMENT, TARGET, TWIN, Shop

RUN_SECONDS = 120
_BAD = ("error", "fail", "skipped")


@dataclass(frozen=True, slots=True)
class V2Build:
    """A finished run of dbt v2. Nodes go by their names."""

    exit_code: int
    output: str
    statuses: Mapping[str, str]
    """dbt's own, from run_results.json."""
    decisions: Mapping[str, str] = field(default_factory=dict)
    """What the server answered: skip, clone or build."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    pre_clones: frozenset[str] = frozenset()
    """The nodes of which a copy was granted before they were asked about."""

    @property
    def built(self) -> set[str]:
        return {name for name, decision in self.decisions.items() if decision == "build"}

    @property
    def bad(self) -> set[str]:
        """The nodes that failed, or were left out because something upstream failed."""
        return {name for name, status in self.statuses.items() if status in _BAD}


class V2Shop:
    """The project of a `Shop`, built by a release of dbt v2 as if its PostgreSQL were a Redshift."""

    def __init__(self, shop: Shop, server: StateServer, release: DbtV2) -> None:
        self.shop = shop
        self.server = server
        self.release = release
        self._profiles = shop.directory / "dbt_v2"
        self._profiles.mkdir()
        database = shop.database
        connection = (
            f"type: redshift, host: 127.0.0.1, port: {database.server.port}, dbname: {database.name}, user: postgres, "
            "password: unused, sslmode: disable, threads: 2"
        )
        outputs = "".join(
            f"    {target}: {{{connection}, schema: {target}}}\n" for target in (TARGET, DEVELOPMENT, TWIN)
        )
        (self._profiles / "profiles.yml").write_text(f"shop:\n  target: {TARGET}\n  outputs:\n{outputs}")

    def build(self, *arguments: str) -> V2Build:
        """`dbt build` with state, and without it into the twin schema; both must agree in outcome and content."""
        build = self.dbt("build", *arguments)
        twin = self.vanilla("build", *arguments)
        assert (build.exit_code, build.bad) == (twin.exit_code, twin.bad), build.output + twin.output
        self.shop.assert_as_vanilla()
        return build

    def dbt(self, *arguments: str, target: str = TARGET) -> V2Build:
        """Run dbt v2 with state."""
        log = self.server.log
        heard = len(log.read_text())
        run = self._run(arguments, target, state=True)
        told = [json.loads(line) for line in log.read_text()[heard:].splitlines()]
        decided = {_name(each["node"]): each for each in told if each["event"] == "decision"}
        copied = (each for each in told if each["event"] == "pre_clone" and each["decision"] == "clone")
        assert decided, run.output
        return V2Build(
            run.exit_code,
            run.output,
            run.statuses,
            {name: each["decision"] for name, each in decided.items()},
            {name: each["description"] for name, each in decided.items()},
            frozenset(_name(each["node"]) for each in copied),
        )

    def vanilla(self, *arguments: str) -> V2Build:
        """Run dbt v2 without state into the twin schema."""
        return self._run(arguments, TWIN, state=False)

    def _run(self, arguments: tuple[str, ...], target: str, *, state: bool) -> V2Build:
        traces = self.shop.directory / "runs" / f"v2_{target}"
        places = ("--profiles-dir", self._profiles, "--target-path", traces / "target", "--log-path", traces / "logs")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._profiles),
            "XDG_CACHE_HOME": str(self.release.drivers()),
            "REDSHIFT_BASE_DRIVER": str(self.release.base_driver),
            "DBT_ENGINE_MANAGE_STATE": str(state).lower(),
            "RUN_CACHE_API_URL": self.server.address,
            "RUN_CACHE_API_SECURE": "false",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            **self.shop.environment,
        }
        done = subprocess.run(
            [self.release.program(), *arguments, "--target", target, *places],
            cwd=self.shop.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        return V2Build(done.returncode, done.stdout, _statuses(traces / "target" / "run_results.json", done.stdout))


def _statuses(run_results: Path, output: str) -> dict[str, str]:
    assert run_results.exists(), output
    results = json.loads(run_results.read_text())["results"]
    run_results.unlink()
    return {_name(result["unique_id"]): result["status"] for result in results}


def _name(unique_id: str) -> str:
    return unique_id.split(".")[2]
