"""Facts that were given and never change: what a policy test is evaluated on, without a store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from sidegate.model.facts import Grant, StoredResource, TenantFacts
from sidegate.model.reference import split_ref
from sidegate.model.revision import NO_REVISION, Revision

REVISION: Final = Revision(1)


class FixedFacts:
    """A `FactsReader` over tenants in memory, all at revision 1."""

    def __init__(self, tenants: Mapping[str, TenantFacts]) -> None:
        self._tenants = tenants

    def __repr__(self) -> str:
        return f"FixedFacts({sorted(self._tenants)})"

    async def tenant_head(self, tenant: str) -> tuple[str, Revision] | None:
        """Return a tenant's pack and revision."""
        facts = self._tenants.get(tenant)
        return None if facts is None else (facts.pack, REVISION)

    async def load_core(self, tenant: str, scope_types: frozenset[str]) -> tuple[TenantFacts, Revision] | None:
        """Return a tenant's facts without its resources, with only the grants on scopes of `scope_types`."""
        facts = self._tenants.get(tenant)
        if facts is None:
            return None
        grants = frozenset(grant for grant in facts.grants if split_ref(grant.scope)[0] in scope_types)
        return replace(facts, resources={}, grants=grants), REVISION

    async def load_resource(
        self, tenant: str, reference: str
    ) -> tuple[StoredResource | None, Sequence[Grant], Revision]:
        """Return one resource and the grants on it."""
        facts = self._tenants.get(tenant)
        if facts is None:
            return None, (), NO_REVISION
        return facts.resources.get(reference), [g for g in facts.grants if g.scope == reference], REVISION

    async def load_resources(
        self, tenant: str, references: Collection[str]
    ) -> tuple[Mapping[str, StoredResource], Sequence[Grant], Revision]:
        """Return resources with all their ancestors, and the grants on the resources."""
        facts = self._tenants.get(tenant)
        if facts is None:
            return {}, (), NO_REVISION
        found: dict[str, StoredResource] = {}
        waiting = [*references]
        while waiting:
            reference = waiting.pop()
            resource = facts.resources.get(reference)
            if resource is not None and reference not in found:
                found[reference] = resource
                waiting.extend(resource.parents)
        return found, [grant for grant in facts.grants if grant.scope in references], REVISION

    async def revision(self, tenant: str, number: int) -> Revision | None:
        """Return the one revision of a tenant by its number."""
        return REVISION if tenant in self._tenants and number == REVISION.number else None
