"""Changes of facts as clients see them, and many of them as bytes that no message is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from google.protobuf.struct_pb2 import Struct

from sidegate.authz.v1 import facts_pb2 as pb
from sidegate.model.change import Change
from sidegate.model.properties import Properties
from sidegate.server.wire.properties import write_properties

_TENANTS_TAG = bytes([pb.ApplyFactsResponse.TENANTS_FIELD_NUMBER << 3 | 2])
_SEVEN_BITS = 0x7F


@dataclass(frozen=True, slots=True)
class EncodedResponse:
    """A response that is encoded already."""

    parts: Sequence[bytes]

    def SerializeToString(self) -> bytes:  # noqa: N802 - the name of a message's method
        """Return the response as bytes."""
        return b"".join(self.parts)


def write_change(change: Change) -> pb.FactChange:
    """Return a change as clients see it."""
    return pb.FactChange(
        entity=change.entity,
        key=change.key,
        before=_payload(change.before),
        after=_payload(change.after),
    )


def encoded_changes(changes: Iterable[Change]) -> bytes:
    """Return changes as bytes of a `TenantChanges` message; pages of them and a head can be joined."""
    return pb.TenantChanges(changes=map(write_change, changes)).SerializeToString()


def encoded_tenant(head: pb.TenantChanges, pages: Sequence[bytes]) -> Sequence[bytes]:
    """Return the bytes of one tenant of an `ApplyFactsResponse`: its head, then its changes."""
    first = head.SerializeToString()
    return (_TENANTS_TAG, _varint(len(first) + sum(map(len, pages))), first, *pages)


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > _SEVEN_BITS:
        written.append(number & _SEVEN_BITS | _SEVEN_BITS + 1)
        number >>= 7
    written.append(number)
    return bytes(written)


def _payload(payload: Properties | None) -> Struct | None:
    return None if payload is None else write_properties(payload)
