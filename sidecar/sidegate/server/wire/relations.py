"""Relations on the wire, and the cursors of their pages."""

from __future__ import annotations

import json
from dataclasses import astuple

from sidegate.authz.v1 import resource_pb2 as pb
from sidegate.membership.relations import HeldRole


def write_relation(held: HeldRole) -> pb.Relation:
    """Return a held role as clients see it."""
    return pb.Relation(
        role=held.role,
        scope=held.scope,
        holder=held.holder,
        inherited=held.distance > 0,
        through=held.through,
        implied=not held.granted,
    )


def write_cursor(held: HeldRole) -> str:
    """Return the cursor of the page after a held role."""
    return json.dumps(astuple(held), ensure_ascii=False, separators=(",", ":"))


def read_cursor(text: str) -> HeldRole | None:
    """Return the last held role before a page; None for the first page."""
    if not text:
        return None
    distance, scope, granted, role, grantee, through, holder = json.loads(text)
    return HeldRole(distance, scope, granted, role, grantee, through=tuple(through), holder=holder)
