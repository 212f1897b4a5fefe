"""What can be on the wire between the client and the server, as the descriptors of its package tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import query_cache_common.constants
from google.protobuf.descriptor import Descriptor, EnumDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto

from dbt_state_oss.protocol.server import SERVICES

PACKAGE = "com.fivetran.query_cache."


def short(descriptor: Any) -> str:
    """A name within the client's package, as the page writes it: `TableModifiedInfo.DependencyKind`."""
    return str(descriptor.full_name).removeprefix(PACKAGE)


def methods() -> dict[str, MethodDescriptor]:
    """Every method by "Service/Method"."""
    return {f"{name}/{method.name}": method for name, service in SERVICES.items() for method in service.methods}


def requests() -> dict[str, Descriptor]:
    """Every message of the client's package that a request is made of, by its short name."""
    return {short(each): each for each in _messages(method.input_type for method in methods().values())}


def answers() -> dict[str, Descriptor]:
    """Every message of the client's package that an answer is made of, by its short name."""
    return {short(each): each for each in _messages(method.output_type for method in methods().values())}


def enums() -> dict[str, EnumDescriptor]:
    """Every enumeration that a request or an answer holds, by its short name."""
    fields = (field for message in (requests() | answers()).values() for field in message.fields)
    return {short(field.enum_type): field.enum_type for field in fields if field.enum_type is not None}


def reserved() -> set[str]:
    """Numbers that fields of other generations had, as "Message 12"."""
    found = set()
    for name, message in (requests() | answers()).items():
        described = DescriptorProto()
        message.CopyToProto(described)  # type: ignore[no-untyped-call]
        found |= {f"{name} {number}" for each in described.reserved_range for number in range(each.start, each.end)}
    return found


def headers() -> set[str]:
    """The metadata that the client knows names for."""
    constants = vars(query_cache_common.constants).items()
    return {value for name, value in constants if name.endswith("_HEADER")}


def _messages(roots: Iterable[Descriptor]) -> Iterator[Descriptor]:
    """The roots and what their fields hold, at any depth, each once; maps are left out, but not what they map to."""
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        message = waiting.pop()
        if message.full_name in seen or not message.full_name.startswith(PACKAGE):
            continue
        seen.add(message.full_name)
        waiting += [field.message_type for field in message.fields if field.message_type is not None]
        if not message.GetOptions().map_entry:
            yield message
