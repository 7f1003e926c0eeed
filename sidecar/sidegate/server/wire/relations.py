"""Relations on the wire, and the places at which their pages begin."""

from __future__ import annotations

import json
from dataclasses import astuple

from sidegate.authz.v1 import resource_pb2 as pb
from sidegate.membership.relations import HeldRole


def write_relation(held: HeldRole) -> pb.Relation:
    """Return a role that is held as clients see it."""
    return pb.Relation(
        role=held.role,
        scope=held.scope,
        holder=held.holder,
        inherited=held.distance > 0,
        through=held.through,
        implied=not held.granted,
    )


def write_place(held: HeldRole) -> str:
    """Return the place of a role among those that are held, as text."""
    return json.dumps(astuple(held), ensure_ascii=False, separators=(",", ":"))


def read_place(text: str) -> HeldRole | None:
    """Return the place that a text tells, None for the beginning."""
    if not text:
        return None
    distance, scope, granted, role, grantee, through, holder = json.loads(text)
    return HeldRole(distance, scope, granted, role, grantee, through=tuple(through), holder=holder)
