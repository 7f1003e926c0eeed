"""Puts the decision point together: the store, the order of the decision chain, and what follows changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final

from sidegate.bootstrap.background_tasks import Work, background
from sidegate.bootstrap.demo import seed_demo
from sidegate.bootstrap.pack_reload import Reloading
from sidegate.bootstrap.storage.cache import cached
from sidegate.bootstrap.storage.declared_roles import DeclaredRoles
from sidegate.bootstrap.storage.hints import chosen_hints
from sidegate.bootstrap.storage.rotating_address import current_address
from sidegate.config.settings import Settings
from sidegate.decision.batch import PinnedBatches
from sidegate.decision.evaluate import Evaluator
from sidegate.decision.freshness import Freshness
from sidegate.decision.guard import FreshnessGuard
from sidegate.decision.measure import MeasuredDecider, Measurement
from sidegate.decision.rule_failures import RuleFailureLog
from sidegate.decision.search.search import Search
from sidegate.engine import ENGINES
from sidegate.facts.apply import Bounds, FactsDocuments
from sidegate.policy.pack.registry import PackRegistry, Packs, bundled_packs
from sidegate.ports.decider import BatchDecider, Decider
from sidegate.ports.hints import Hints
from sidegate.ports.history_store import HistoryStore
from sidegate.ports.membership_store import MembershipStore
from sidegate.ports.role_store import RoleStore
from sidegate.replica.follower import Follower
from sidegate.replica.snapshot_files import SnapshotFiles
from sidegate.replica.snapshots import Snapshots
from sidegate.replica.verifier import Verifier
from sidegate.runtime.clock import CheckedClock
from sidegate.telemetry.cache import UNCOUNTED, CacheObserver
from sidegate.telemetry.clocks import ClockLog
from sidegate.telemetry.sync import UNOBSERVED, SyncObserver
from sidegate_adapters.files.sealed_files import open_sealed_directory
from sidegate_adapters.sql.opening import open_store
from sidegate_adapters.sql.store import SqlFactsStore

_MOST_ENTRIES: Final = 2_000
"""Members and resources of a tenant that is compared with a document in this process."""


@dataclass(frozen=True, slots=True)
class Core:
    """The decision point without a server: what answers, and what writes facts."""

    decider: Decider
    batches: BatchDecider
    search: Search
    facts: FactsDocuments
    store: MembershipStore
    history: HistoryStore
    packs: PackRegistry
    follower: Follower
    snapshots: Snapshots
    hints: Hints | None
    reloading: Reloading
    max_staleness: float
    clock: CheckedClock

    def ready(self) -> bool:
        """Return whether it can decide now."""
        return not self.unready_reason()

    def unready_reason(self) -> str:
        """Return why it can't decide now, or soon; "" when it can."""
        if self.follower.schema_changed:
            return self.follower.schema_changed
        staleness = self.follower.staleness()
        if staleness <= self.max_staleness:
            return ""
        return f"the newest view of the store is {staleness:.1f} s old; the bound is {self.max_staleness:g} s"


@asynccontextmanager
async def deciding(
    settings: Settings,
    *,
    observe: Callable[[Measurement], None] = lambda _: None,
    observer: SyncObserver = UNOBSERVED,
    caching: CacheObserver = UNCOUNTED,
) -> AsyncIterator[Core]:
    """Assemble the decision chain over an open store, and follow its changes meanwhile."""
    packs = PackRegistry(ENGINES[settings.engine], settings.policies or bundled_packs(), settings.default_pack)
    async with _opened(settings, observer) as (store, hints, clocks):
        snapshots = _snapshots(store, packs, settings, observer=observer)
        follower = Follower(store, snapshots, poll_interval=settings.poll_interval, observer=observer)
        roles = _declared_roles(store, settings, observer)
        preparing = partial(_prepare, roles=roles, follower=follower)
        reloading = Reloading(packs, snapshots, prepare=preparing, observer=observer)
        await roles.record(packs.current())
        snapshot_files = _opened_snapshot_files(settings, snapshots, follower, packs)
        if snapshot_files is not None:
            await snapshot_files.restore()
        await follower.catch_up()
        clocks.log.observe_history(follower.ahead_of(clocks.clock.now()))
        failures = RuleFailureLog()
        evaluator = Evaluator(snapshots, catch_up=follower.catch_up, failures=failures)
        async with cached(evaluator, settings, store=store, snapshots=snapshots, observer=caching) as answering:
            freshness = Freshness(follower, snapshots, max_staleness=settings.max_staleness)
            decider = MeasuredDecider(FreshnessGuard(answering, freshness), observe=observe)
            batches = PinnedBatches(answering, freshness, observe=observe)
            search = Search(store, snapshots, freshness, catch_up=follower.catch_up, failures=failures)
            facts = _facts_documents(store, packs, follower)
            core = Core(
                decider,
                batches,
                search,
                facts,
                store=store,
                history=store,
                packs=packs,
                follower=follower,
                snapshots=snapshots,
                hints=hints,
                reloading=reloading,
                max_staleness=settings.max_staleness,
                clock=clocks.clock,
            )
            try:
                async with background(*_work(core, snapshot_files, settings, observer)):
                    if settings.demo:
                        await seed_demo(store, facts)
                    yield core
                if snapshot_files is not None:
                    await snapshot_files.save()
            finally:
                await follower.close()
                await snapshots.close()


@dataclass(frozen=True, slots=True)
class _Clocks:
    """The clock that writes are checked against, and the log of what is wrong with it."""

    clock: CheckedClock
    log: ClockLog


@asynccontextmanager
async def _opened(
    settings: Settings, observer: SyncObserver
) -> AsyncIterator[tuple[SqlFactsStore, Hints | None, _Clocks]]:
    """Open the store and its hints, and close both at the end."""
    hints = chosen_hints(settings)
    clocks = _Clocks(CheckedClock(), ClockLog(observer))
    store = await open_store(
        current_address(settings, "database") or settings.database.get_secret_value(),
        written=hints.publish if hints else None,
        clock=clocks.clock,
        on_clocks=clocks.log.observe,
    )
    try:
        yield store, hints, clocks
    finally:
        await store.close()
        if hints is not None:
            await hints.close()


def _snapshots(store: MembershipStore, packs: PackRegistry, settings: Settings, *, observer: SyncObserver) -> Snapshots:
    return Snapshots(
        store,
        packs,
        max_tenants=settings.max_tenants,
        max_resources=settings.max_resources,
        ahead=settings.cache != "off" and settings.redis is not None,
        observer=observer,
    )


def _declared_roles(store: RoleStore, settings: Settings, observer: SyncObserver) -> DeclaredRoles:
    restore = settings.returning_roles == "restore"
    return DeclaredRoles(store, default=settings.default_pack, restore=restore, observer=observer)


async def _prepare(loaded: Packs, *, roles: DeclaredRoles, follower: Follower) -> None:
    """Record the roles of packs before they take effect; what was ended must be known here before they decide.

    Raises:
        Unavailable: the store does not answer.
    """
    await roles.record(loaded)
    await follower.catch_up()


def _facts_documents(store: MembershipStore, packs: PackRegistry, follower: Follower) -> FactsDocuments:
    return FactsDocuments(
        store,
        packs.schema_of,
        pack_names=packs.names,
        catch_up=follower.catch_up,
        bounds=Bounds(small=partial(_is_small, store)),
    )


async def _is_small(store: MembershipStore, tenant: str) -> bool:
    """Return whether a document about a tenant may be handled in this process."""
    size, _ = await store.size(tenant)
    return size.members + size.resources <= _MOST_ENTRIES


def _work(
    core: Core, snapshot_files: SnapshotFiles | None, settings: Settings, observer: SyncObserver
) -> Iterator[Work]:
    """Yield what goes on beside the answering."""
    yield core.follower.run
    yield core.reloading.run
    if core.hints is not None:
        yield partial(core.follower.handle_hints, core.hints)
    if settings.verify_interval:
        yield Verifier(core.snapshots, core.follower, interval=settings.verify_interval, observer=observer).run
    if snapshot_files is not None:
        yield snapshot_files.run


def _opened_snapshot_files(
    settings: Settings, snapshots: Snapshots, follower: Follower, packs: PackRegistry
) -> SnapshotFiles | None:
    """Return what stores snapshots on disk, None where the settings name no directory.

    Raises:
        StartError: the directory can't be used.
    """
    if settings.snapshot_directory is None:
        return None
    keys = (_file_key(key.get_secret_value()) for key in settings.token_key or ())
    return SnapshotFiles(open_sealed_directory(settings.snapshot_directory, *keys), snapshots, follower, packs)


def _file_key(token_key: str) -> bytes:
    return sha256(b"sidegate sealed files\0" + token_key.encode()).digest()
