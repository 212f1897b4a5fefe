"""Servers that speak as Amazon S3 does, each a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from tests.emulators.process import EmulatorProcess
from tests.ports import free_port, free_ports

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test-secret",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def moto(directory: Path) -> EmulatorProcess:
    """moto: answers each condition as AWS documents it; in memory."""
    port = free_port()
    launcher = str(Path(__file__).with_name("moto_server.py"))
    return EmulatorProcess([sys.executable, launcher, str(port)], port, directory / "moto.log")


def seaweedfs(directory: Path) -> EmulatorProcess:
    """SeaweedFS: a real server with its files in `directory`, which checks signatures."""
    identity = {
        "name": "test",
        "credentials": [
            {"accessKey": CREDENTIALS["AWS_ACCESS_KEY_ID"], "secretKey": CREDENTIALS["AWS_SECRET_ACCESS_KEY"]}
        ],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = directory / "identities.json"
    config.write_text(json.dumps({"identities": [identity]}))
    names = [f"{part}.port{kind}" for part in ("master", "volume", "filer", "s3") for kind in ("", ".grpc")]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    command = [
        str(Path(sys.executable).with_name("weed")),
        f"-logdir={directory}",
        "server",
        f"-dir={directory}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-filer",
        "-master.telemetry=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3",
        f"-s3.config={config}",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    return EmulatorProcess(command, ports["s3.port"], directory / "seaweedfs.log")


def client(endpoint: str) -> Any:
    """The SDK's client, for what tests do past our code."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=CREDENTIALS["AWS_REGION"],
        config=Config(s3={"addressing_style": "path"}),
    )
