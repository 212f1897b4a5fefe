"""Emulators that ignore conditions, and let writers overwrite each other: what a server must not keep its state in."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.emulators.process import EmulatorProcess
from tests.installing import NODE, node_modules_of
from tests.ports import free_port

BUCKET = "state"
S3RVER_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "S3RVER", "AWS_SECRET_ACCESS_KEY": "S3RVER", "AWS_REGION": "us-east-1"}


def s3rver(directory: Path) -> EmulatorProcess:
    """A server of npm's that speaks as S3 does."""
    port = free_port()
    program = node_modules_of(Path(__file__).with_name("npm")) / "s3rver" / "bin" / "s3rver.js"
    options = ("-d", directory / "s3rver", "-a", "127.0.0.1", "-p", str(port), "--no-vhost-buckets", "-s")
    return EmulatorProcess([NODE, program, *options, "--configure-bucket", BUCKET], port, directory / "s3rver.log")


def gcp_storage_emulator(directory: Path) -> EmulatorProcess:
    """A server of PyPI's that speaks as Google Cloud Storage does; it tells no generation of what it gives, either."""
    port = free_port()
    options = ("--host", "127.0.0.1", "--port", str(port), "--in-memory", "--default-bucket", BUCKET)
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", *options]
    return EmulatorProcess(command, port, directory / "gcp-storage-emulator.log")
