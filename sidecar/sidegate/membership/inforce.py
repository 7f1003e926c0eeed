"""Writes that are in force here when they return."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from sidegate.errors import Unavailable
from sidegate.membership.facts import AppliedTenant, FactsKeeper, TenantPlan
from sidegate.membership.follower import Follower
from sidegate.membership.past import Past
from sidegate.model import Revision


class InForce:
    """The facts use case of a running sidecar: after a write it looks at the store before it answers."""

    def __init__(self, delegate: FactsKeeper, follower: Follower, past: Past) -> None:
        self._delegate = delegate
        self._follower = follower
        self._past = past

    async def plan(self, text: str, source: str) -> Sequence[TenantPlan]:
        """Return what applying the document would change."""
        return await self._delegate.plan(text, source)

    async def apply(self, text: str, source: str, *, actor: str) -> Sequence[AppliedTenant]:
        """Apply a document; no Check here answers from before it any more."""
        applied = await self._delegate.apply(text, source, actor=actor)
        with suppress(Unavailable):  # it is written; until the next look the staleness bound holds
            await self._follower.catch_up()
        return applied

    async def export(self, tenants: Sequence[str]) -> str:
        """Return the document of tenants."""
        return await self._delegate.export(tenants)

    async def export_at(self, tenants: Sequence[str], as_of: Revision | datetime) -> str:
        """Return the document of tenants as they were."""
        return await self._past.export(tenants, as_of)
