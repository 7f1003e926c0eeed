"""Which claims of a request the rules of a pack can read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sidegate.policy.pack.schema import Property, Schema, Source

_NO_NAMES: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeclaredClaims:
    """The names of the properties that a request may claim: of the subject, of resources by type, and of the context.

    All other claims of a request are never read, so they can't change its answer. The names are sorted.
    """

    subject: tuple[str, ...]
    resources: Mapping[str, tuple[str, ...]]
    context: tuple[str, ...]

    @classmethod
    def of(cls, schema: Schema) -> DeclaredClaims:
        """Return what a pack declares as claimed by the request."""
        resources = {name: _claimed(type_.properties or {}) for name, type_ in schema.resources.items()}
        return cls(_claimed(schema.member), MappingProxyType(resources), _claimed(schema.context))

    def of_resource(self, type_: str) -> tuple[str, ...]:
        """Return the names for resources of a type, none where the pack does not declare the type."""
        return self.resources.get(type_, _NO_NAMES)


def _claimed(declared: Mapping[str, Property]) -> tuple[str, ...]:
    return tuple(sorted(name for name, known in declared.items() if known.source is Source.REQUEST))
