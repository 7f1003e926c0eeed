"""The function that a pack's matcher registers beside Casbin's own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sidegate.engine import Entity, ancestors_of, properties_of
from sidegate.model.rules import MatchFunction
from sidegate.policy.pack.schema import TENANT


def scope(resource: Entity, tenant: Entity, name: str) -> str:
    """Return the reference of the scope that a role of type `name` is held on, for this resource.

    It is the tenant, the resource itself, or its nearest ancestor of that type; "", which nobody
    holds a role on, where there is none.
    """
    if name == TENANT:
        return str(properties_of(tenant)["ref"])
    return ancestors_of(resource).get(name, "")


FUNCTIONS: Final[Mapping[str, MatchFunction]] = MappingProxyType({"scope": scope})
DOMAIN_MATCH: Final[Mapping[str, str]] = MappingProxyType({"g": "keyMatch"})
"""Links in the domain `*`, who belongs to which group, hold in every scope."""
