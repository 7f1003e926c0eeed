"""The function `scope` of the packs' matcher, which Casbin does not have."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sidegate.engine import Entity, ancestors_of, properties_of
from sidegate.model.rules import MatchFunction
from sidegate.policy.pack.schema import TENANT


def scope(resource: Entity, tenant: Entity, name: str) -> str:
    """Return the reference of the scope that a role of type `name` is held on, for this resource.

    It is the tenant, the resource itself, or its nearest ancestor of that type; "" where there is none, on which
    nobody holds a role.
    """
    if name == TENANT:
        return str(properties_of(tenant)["ref"])
    return ancestors_of(resource).get(name, "")


FUNCTIONS: Final[Mapping[str, MatchFunction]] = MappingProxyType({"scope": scope})
DOMAIN_MATCH: Final[Mapping[str, str]] = MappingProxyType({"g": "keyMatch"})
"""A link in the domain `*`, which says who belongs to which group, holds in every scope."""
