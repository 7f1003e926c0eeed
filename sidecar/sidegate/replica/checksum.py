"""The checksum of a snapshot: the same for equal facts, whatever changes led to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from sidegate.engine.language.entity import properties_of
from sidegate.model.entry import member_payload
from sidegate.replica.patches import TenantSnapshot

_MODULUS: Final = 2**256
_ENCODE = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


def checksum(snapshot: TenantSnapshot) -> str:
    """Return the sum of the SHA-256 of all that decisions read of a tenant: equal where they would be, hexadecimal."""
    total = 0
    for part in _parts(snapshot):
        total += int.from_bytes(sha256(_ENCODE(part).encode()).digest(), "big")
    return f"{total % _MODULUS:064x}"


def _parts(snapshot: TenantSnapshot) -> Iterator[object]:
    yield "tenant", snapshot.pack.pack.digest, snapshot.suspended, properties_of(snapshot.entity)
    for id_, member in snapshot.members.items():
        yield "member", id_, member_payload(member)
    for row in snapshot.program.rows():
        yield "row", *row
