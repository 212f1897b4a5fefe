"""The built wheel, installed with each extra into an environment of its own, does what the README says."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from tests.installing import ROOT, UV, run_command
from tests.ports import free_port

ARGUMENTS = {
    "s3": ("--bucket", "state"),
    "azure": ("--account", "team", "--container", "state"),
    "gcs": ("--bucket", "state"),
    "onelake": ("--workspace", "analytics", "--lakehouse", "shop.Lakehouse"),
}
"""What each store has to be told."""

EXTRAS: dict[str, frozenset[str]] = {
    "": frozenset(),
    "s3": frozenset({"s3"}),
    "azure": frozenset({"azure", "onelake"}),
    "onelake": frozenset({"azure", "onelake"}),
    "gcs": frozenset({"gcs"}),
    "all": frozenset(ARGUMENTS),
    "operator": frozenset(),
}
"""By extra: the stores that can be chosen with it."""

FAR_AWAY = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
    "NO_GCE_CHECK": "true",
    "CLOUDSDK_CONFIG": "/nonexistent",
    "DBTSTATE_STORE_ATTEMPTS": "1",
}
"""No credentials of the machine are found, and none are looked for on the network."""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    run_command(UV, "build", "--quiet", "--wheel", "--out-dir", directory, ROOT)
    return next(directory.glob("*.whl"))


@pytest.fixture(params=EXTRAS, ids=lambda extra: extra or "no extra")
def installed(request: pytest.FixtureRequest, wheel: Path, tmp_path: Path) -> tuple[str, Path]:
    """The extra, and the directory with the commands of the environment that has it."""
    extra, environment = request.param, tmp_path / "environment"
    run_command(UV, "venv", "--quiet", environment)
    locked = ROOT / "requirements" / "dev.txt"
    package = f"{wheel}[{extra}]" if extra else str(wheel)
    run_command(UV, "pip", "install", "--quiet", "--python", environment, "--constraint", locked, package)
    return extra, environment / "bin"


def run(commands: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DBTSTATE_", "AWS_"))}
    return subprocess.run(
        [commands / "dbt-state-oss", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment | FAR_AWAY,
    )


@contextmanager
def serving(commands: Path, directory: Path) -> Iterator[int]:
    """A server started as the README starts it; the port. Ended by SIGTERM, which it has to obey."""
    port = free_port()
    command = [str(commands / "dbt-state-oss"), "--store", "local", "--dir", str(directory), "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield port
        finally:
            process.terminate()
        assert process.wait(30) == 0


def test_the_wheel_serves_the_local_store_and_the_stores_of_its_extra(
    installed: tuple[str, Path], tmp_path: Path
) -> None:
    extra, commands = installed
    with serving(commands, tmp_path / "state") as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = HealthStub(channel).Check(HealthCheckRequest(), wait_for_ready=True, timeout=30)
        assert answer.status in (HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING)
    for store in EXTRAS[extra] or ARGUMENTS:
        refused = run(commands, "--store", store, *ARGUMENTS[store])
        assert refused.returncode == 1
        if not EXTRAS[extra]:
            assert f"the store {store} needs the package" in refused.stderr
            assert f"pip install 'dbt-state-oss[{store}]'" in refused.stderr
        else:
            assert "cannot be used" in refused.stderr
