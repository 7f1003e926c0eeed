"""Loads changed packs while the server runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sidegate.errors import PackError, Unavailable
from sidegate.policy.pack.registry import PackRegistry, Packs
from sidegate.replica.snapshots import Snapshots
from sidegate.telemetry.logging import get_log
from sidegate.telemetry.sync import UNOBSERVED, SyncEvent, SyncObserver

_LOG = get_log("bootstrap")


class Reloading:
    """Loads all packs aside when it is asked to, and puts them in the place of the old ones if none has a fault.

    `prepare` receives the loaded packs before they take effect; the current ones stay where it raises Unavailable.
    """

    def __init__(
        self,
        packs: PackRegistry,
        snapshots: Snapshots,
        *,
        prepare: Callable[[Packs], Awaitable[None]],
        observer: SyncObserver = UNOBSERVED,
    ) -> None:
        self._packs = packs
        self._snapshots = snapshots
        self._prepare = prepare
        self._observer = observer
        self._wanted = asyncio.Event()

    def __repr__(self) -> str:
        return f"Reloading({self._packs!r})"

    def ask(self) -> None:
        """Request a reload; a request during a reload causes one more."""
        self._wanted.set()

    async def run(self) -> None:
        """Reload whenever it is asked to, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self.reload()

    async def reload(self) -> bool:
        """Reload now; return False, with the current packs, where a pack has a fault or the store does not answer."""
        try:
            loaded = await asyncio.to_thread(self._packs.load)
        except PackError as error:
            self._observer.count(SyncEvent.PACKS_REFUSED)
            _LOG.error("pack reload rejected", faults=[str(fault) for fault in error.faults])
            return False
        try:
            await self._prepare(loaded)
        except Unavailable as error:
            self._observer.count(SyncEvent.PACKS_REFUSED)
            _LOG.error("pack reload rejected", error=str(error))
            return False
        # Both without a pause: no decision comes between the new packs and what was compiled for the old ones.
        changed = self._packs.swap(loaded)
        self._snapshots.drop_outdated_packs()
        self._observer.count(SyncEvent.PACKS_RELOADED)
        digests = [f"{name} {pack.pack.digest[:12]}" for name in changed if (pack := self._packs.get(name))]
        _LOG.info("packs reloaded", changed=digests, removed=[name for name in changed if not self._packs.get(name)])
        return True
