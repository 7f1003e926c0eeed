"""Compares snapshots with the store from time to time, and repairs drift."""

from __future__ import annotations

import asyncio
import random
from time import perf_counter
from typing import Final

from sidegate.errors import SidegateError
from sidegate.model.revision import NO_REVISION
from sidegate.replica.checksum import checksum
from sidegate.replica.follower import Follower
from sidegate.replica.patches import TenantSnapshot
from sidegate.replica.snapshots import Snapshots
from sidegate.telemetry.logging import get_log
from sidegate.telemetry.sync import UNOBSERVED, SyncEvent, SyncObserver

_LOG = get_log("membership")
ATTEMPTS: Final = 3
"""How often a tenant is compared again that is written to during a comparison."""
RESOURCES: Final = 16
"""Resources that are compared with each tenant."""
PAUSE: Final = 50
"""The pause after a comparison, as a multiple of its time: comparisons take 2 % of the time at most."""


class Verifier:
    """Compares the tenants in memory in turn, with a few resources each time.

    Memory follows the feed, so there should be no drift. A drift is a change outside the feed, or a bug.
    """

    def __init__(
        self, snapshots: Snapshots, follower: Follower, *, interval: float, observer: SyncObserver = UNOBSERVED
    ) -> None:
        self._snapshots = snapshots
        self._follower = follower
        self._interval = interval
        self._observer = observer

    def __repr__(self) -> str:
        return f"Verifier(interval={self._interval}, {self._snapshots!r})"

    async def run(self) -> None:
        """Compare until cancelled, at most one tenant in each interval."""
        while True:
            await asyncio.sleep(self._interval)
            for tenant in self._snapshots.tenants():
                began = perf_counter()
                try:
                    await self.verify(tenant)
                    await self.verify_resources()
                except SidegateError as error:
                    _LOG.info("comparison with the store failed", tenant=tenant, error=str(error))
                await asyncio.sleep(max(self._interval, PAUSE * (perf_counter() - began)))

    async def verify(self, tenant: str) -> bool:
        """Compare one tenant at one revision; return False where it had drifted and was dropped.

        Raises:
            StoreUnavailable: the store does not answer.
            Unavailable: the tenant names a pack that is not loaded here.
        """
        for _ in range(ATTEMPTS):
            stored = await self._snapshots.read(tenant)
            # After this, memory has all that was committed before the read: it can only be ahead.
            await self._follower.catch_up()
            held = self._snapshots.peek(tenant)
            if held is None:
                return True
            there = stored.revision if stored else NO_REVISION
            # Two states with one number belong to two histories.
            if stored is None or (held.revision.number <= there.number and held.revision != there):
                return self._drifted(tenant=tenant, held=held.revision.number, stored=there.number)
            if held.revision == stored.revision and held.pack is stored.pack:
                sums = await asyncio.to_thread(_checksums, held, stored)
                if sums[0] != sums[1]:
                    return self._drifted(tenant=tenant, revision=there.number, held=sums[0], stored=sums[1])
                self._observer.count(SyncEvent.VERIFIED)
                return True
        return True

    async def verify_resources(self) -> bool:
        """Compare a few resources; return False where any had drifted and was dropped.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        found = self._snapshots.resources()
        right = True
        for tenant, reference in random.sample(found, min(RESOURCES, len(found))):
            same = await self._snapshots.resource_matches_store(tenant, reference)
            if same:
                self._observer.count(SyncEvent.VERIFIED)
            elif same is False:
                right = self._drifted(tenant=tenant, resource=reference)
        return right

    def _drifted(self, *, tenant: str, resource: str = "", **details: object) -> bool:
        """Drop what had drifted, and log it; return False."""
        if resource:
            self._snapshots.drop_resource(tenant, resource)
        else:
            self._snapshots.drop(tenant)
        self._observer.count(SyncEvent.DRIFTED)
        _LOG.error("replica drift repaired", tenant=tenant, resource=resource, **details)
        return False


def _checksums(held: TenantSnapshot, stored: TenantSnapshot) -> tuple[str, str]:
    return checksum(held), checksum(stored)
