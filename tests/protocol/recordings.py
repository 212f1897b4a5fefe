"""Requests as real clients sent them, from `recorded/`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

RECORDED = Path(__file__).with_name("recorded")

M = TypeVar("M", bound=Message)


def recorded_requests(name: str, rpc: str, kind: type[M]) -> list[M]:
    """The requests of `rpc` ("Service/Method") in the recording `name`, in order, as they come off the wire."""
    calls = json.loads((RECORDED / f"{name}.json").read_text("utf-8"))["calls"]
    requests = [ParseDict(call["request"], kind()) for call in calls if call["rpc"] == rpc]
    return [kind.FromString(request.SerializeToString()) for request in requests]
