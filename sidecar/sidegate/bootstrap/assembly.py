"""Where concrete classes meet: the store, the order of the decision chain, the server."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from sidegate.bootstrap.background_tasks import Work, background
from sidegate.bootstrap.cache import cached
from sidegate.bootstrap.hints import chosen_hints
from sidegate.bootstrap.pack_reload import Reloading
from sidegate.config.settings import Settings
from sidegate.decision.evaluate import Evaluator
from sidegate.decision.freshness import Freshness
from sidegate.decision.guard import FreshnessGuard
from sidegate.decision.measure import MeasuredDecider, Measurement
from sidegate.decision.rule_failures import RuleFailureLog
from sidegate.decision.search.search import Search
from sidegate.engine import ENGINES
from sidegate.facts.apply import FactsDocuments
from sidegate.history.activity import Monitoring
from sidegate.history.changes import History
from sidegate.history.cursors import CursorReader
from sidegate.history.past_facts import PastFacts
from sidegate.history.quota_usage import QuotaHistory
from sidegate.history.watch import WatchService
from sidegate.membership.command.context_factory import ContextFactory
from sidegate.membership.command.read import ReadRunner
from sidegate.membership.command.run import CommandRunner
from sidegate.membership.grants import Grants
from sidegate.membership.groups import Groups
from sidegate.membership.invitations import Invitations
from sidegate.membership.members import Members
from sidegate.membership.quotas import Quotas
from sidegate.membership.relations import Relations
from sidegate.membership.resources import Resources
from sidegate.membership.roles import Roles
from sidegate.membership.tenants import Tenants
from sidegate.policy.pack.registry import PackRegistry, bundled_packs
from sidegate.ports.decider import Decider
from sidegate.ports.hints import Hints
from sidegate.ports.history_store import HistoryStore
from sidegate.ports.membership_store import MembershipStore
from sidegate.replica.follower import Follower
from sidegate.replica.snapshot_files import SnapshotFiles
from sidegate.replica.snapshots import Snapshots
from sidegate.replica.verifier import Verifier
from sidegate.server.grpc.listener import GrpcServer, ListenerSettings
from sidegate.server.handlers.authorization import AuthorizationHandler
from sidegate.server.handlers.facts import FactsHandler
from sidegate.server.handlers.groups import GroupHandler
from sidegate.server.handlers.history import HistoryHandler
from sidegate.server.handlers.members import MemberHandler
from sidegate.server.handlers.quotas import QuotaHandler
from sidegate.server.handlers.resources import ResourceHandler
from sidegate.server.handlers.roles import RoleHandler
from sidegate.server.handlers.tenants import TenantHandler
from sidegate.server.wire.checks import CheckCodec
from sidegate.server.wire.lists import ListCodec
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.tokens.seals import Seals
from sidegate.telemetry.cache import UNCOUNTED, CacheObserver
from sidegate.telemetry.logging import LogFormat, configure_logging, get_log
from sidegate.telemetry.metrics import Metrics
from sidegate.telemetry.sync import UNOBSERVED, SyncObserver
from sidegate_adapters.files.sealed_files import open_sealed_directory
from sidegate_adapters.sql.opening import open_store

DEMO_TENANT = "demo"
DEMO_FACTS = "standard/demo.yaml"
_CLOSING_SECONDS = 10.0
"""How long a stopping process may take, after the grace, to save its snapshots and to close its connections."""


@dataclass(frozen=True, slots=True)
class Core:
    """The decision point without a server: what answers, and what writes facts."""

    decider: Decider
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

    def ready(self) -> bool:
        """Return whether it can decide now."""
        return not self.unready_reason()

    def unready_reason(self) -> str:
        """Return why it can't decide now; "" when it can."""
        staleness = self.follower.staleness()
        if staleness <= self.max_staleness:
            return ""
        return f"the newest view of the store is {staleness:.1f} s old; the bound is {self.max_staleness:g} s"


@dataclass(frozen=True, slots=True)
class Running:
    """A sidecar that listens: where, on which packs, and whether the demo tenant is there to try.

    `reload` asks it to load the packs again.
    """

    addresses: tuple[str, ...]
    packs: tuple[str, ...]
    default_pack: str
    engine: str
    database: str
    demo: bool
    reload: Callable[[], None]
    metrics_address: str = ""


async def run(settings: Settings, *, announce: Callable[[Running], None]) -> None:
    """Serve until SIGINT or SIGTERM, then end the process; reload the packs on SIGHUP.

    `announce` is called once everything listens. The process ends without a shutdown of the gRPC library, which would
    cancel calls that have just arrived: see docs/decisions/0021-a-stop-ends-the-process.md.

    Raises:
        PackError: a pack does not load; nothing listens.
        StartError: a path, port or file can't be had; nothing listens.
    """
    configure_logging(_log_format(settings), settings.log_level)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with _serving(settings, GrpcServer.drain) as running:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, running.reload)
        announce(running)
        await stopped.wait()
        get_log("bootstrap").info("stopping", lame_duck=settings.lame_duck, drain=settings.drain)
        longest = settings.lame_duck + settings.drain + _CLOSING_SECONDS
        asyncio.get_running_loop().call_later(longest, _end_process)
    _end_process()


def _end_process() -> None:
    """Exit now: no thread, such as one that waits for a database, is waited for."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Running]:
    """Run a sidecar that listens on all its addresses, and stop it gracefully, in a process that lives on."""
    async with _serving(settings, GrpcServer.stop) as running:
        yield running


@asynccontextmanager
async def _serving(settings: Settings, end: Callable[[GrpcServer], Awaitable[None]]) -> AsyncIterator[Running]:
    metrics = Metrics()
    async with deciding(
        settings, observe=metrics.observe_decision, observer=metrics.sync, caching=metrics.cache
    ) as core:
        hints = core.hints
        metrics.sync.show(core.follower.staleness, core.snapshots.sizes, lambda: hints is not None and hints.connected)
        key = await _token_key(settings, core.store)
        tokens, seals = RevisionTokens(key), Seals(key)
        codec = CheckCodec(tokens)
        lists = ListCodec(codec, tokens, seals)
        authorization = AuthorizationHandler(
            core.decider, core.search, codec=codec, lists=lists, max_checks=settings.batch_limit
        )
        watch_service = _watch_service(core, settings)
        metrics.show_watchers(watch_service.count)
        handlers = {
            "AuthorizationService": authorization,
            "FactsService": FactsHandler(core.facts, PastFacts(core.history), tokens),
            **_membership(core, watch_service, tokens, seals, account_id=settings.account_id_pattern),
        }
        listening = ListenerSettings(
            addresses=settings.listen,
            socket_mode=settings.socket_mode,
            lame_duck=settings.lame_duck,
            grace=settings.drain,
        )
        server = GrpcServer(handlers, core.ready, listening, on_call=metrics.observe_call)
        addresses = await server.start()
        try:
            with _metrics_served(metrics, settings.metrics_address, core.unready_reason) as metrics_address:
                yield Running(
                    addresses=addresses,
                    packs=tuple(core.packs.names()),
                    default_pack=settings.default_pack,
                    engine=settings.engine,
                    database=str(settings.database),
                    demo=settings.demo,
                    reload=core.reloading.ask,
                    metrics_address=metrics_address,
                )
        finally:
            await end(server)


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
    hints = chosen_hints(settings)
    store = await open_store(settings.database.get_secret_value(), written=hints.publish if hints else None)
    try:
        snapshots = Snapshots(
            store,
            packs,
            max_tenants=settings.max_tenants,
            max_resources=settings.max_resources,
            ahead=settings.cache != "off" and settings.redis is not None,
            observer=observer,
        )
        follower = Follower(store, snapshots, poll_interval=settings.poll_interval, observer=observer)
        reloading = Reloading(packs, snapshots, observer=observer)
        kept = _snapshot_files(settings, snapshots, follower, packs)
        if kept is not None:
            await kept.restore()
        await follower.catch_up()
        failures = RuleFailureLog()
        evaluator = Evaluator(snapshots, catch_up=follower.catch_up, failures=failures)
        async with cached(evaluator, settings, store=store, snapshots=snapshots, observer=caching) as answering:
            freshness = Freshness(follower, snapshots, max_staleness=settings.max_staleness)
            decider = MeasuredDecider(FreshnessGuard(answering, freshness), observe=observe)
            search = Search(store, snapshots, freshness, catch_up=follower.catch_up, failures=failures)
            facts = FactsDocuments(store, packs.schema_of, pack_names=packs.names, catch_up=follower.catch_up)
            core = Core(
                decider,
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
            )
            try:
                async with background(*_work(core, kept, settings, observer)):
                    if settings.demo:
                        await _seed_demo(core)
                    yield core
                if kept is not None:
                    await kept.save()
            finally:
                await follower.close()
                await snapshots.close()
    finally:
        await store.close()
        if hints is not None:
            await hints.close()


def _work(core: Core, kept: SnapshotFiles | None, settings: Settings, observer: SyncObserver) -> Iterator[Work]:
    """Yield what goes on beside the answering."""
    yield core.follower.run
    yield core.reloading.run
    if core.hints is not None:
        yield partial(core.follower.handle_hints, core.hints)
    if settings.verify_interval:
        yield Verifier(core.snapshots, core.follower, interval=settings.verify_interval, observer=observer).run
    if kept is not None:
        yield kept.run


@contextmanager
def _metrics_served(metrics: Metrics, address: str | None, unready_reason: Callable[[], str]) -> Iterator[str]:
    """Serve metrics over HTTP meanwhile, and yield where; nowhere is "".

    Raises:
        StartError: the address can't be listened on.
    """
    if address is None:
        yield ""
        return
    host, _, port = address.rpartition(":")
    server = metrics.serve(host.strip("[]"), int(port), unready_reason=unready_reason)
    try:
        yield f"{host}:{server.port}"
    finally:
        server.stop()


async def _seed_demo(core: Core) -> None:
    """Write the demo tenant where it is not there yet."""
    if DEMO_TENANT not in await core.store.tenants():
        text = (bundled_packs() / DEMO_FACTS).read_text(encoding="utf-8")
        await core.facts.apply(text, DEMO_FACTS, actor="platform")


def _snapshot_files(
    settings: Settings, snapshots: Snapshots, follower: Follower, packs: PackRegistry
) -> SnapshotFiles | None:
    """Return what stores snapshots on disk, None where the settings name no directory.

    Raises:
        StartError: the directory can't be used.
    """
    if settings.snapshot_directory is None:
        return None
    secret = settings.token_key
    key = None if secret is None else sha256(b"sidegate sealed files\0" + secret.get_secret_value().encode()).digest()
    return SnapshotFiles(open_sealed_directory(settings.snapshot_directory, key), snapshots, follower, packs)


def _membership(
    core: Core, watch_service: WatchService, tokens: RevisionTokens, seals: Seals, *, account_id: str
) -> dict[str, object]:
    """Return the handlers of who belongs where, and of what changed, by the name of their service."""
    contexts = ContextFactory(core.store, core.decider, core.packs.schema_of)
    commands, reads = CommandRunner(contexts, core.follower), ReadRunner(contexts, core.follower)
    return {
        "TenantService": TenantHandler(Tenants(commands, reads, pack_names=core.packs.names), tokens, seals),
        "MembershipService": MemberHandler(
            Members(commands, reads), Invitations(commands, account_id=account_id), tokens, seals
        ),
        "RoleService": RoleHandler(Roles(commands, reads), Grants(commands, reads), tokens, seals),
        "GroupService": GroupHandler(Groups(commands, reads), tokens, seals),
        "ResourceService": ResourceHandler(
            Resources(commands, reads),
            monitoring=Monitoring(core.history, reads),
            relations=Relations(reads),
            tokens=tokens,
            seals=seals,
        ),
        "QuotaService": QuotaHandler(Quotas(commands), QuotaHistory(core.history, reads), tokens, seals),
        "HistoryService": HistoryHandler(History(core.history, reads), watch_service, tokens, seals),
    }


def _watch_service(core: Core, settings: Settings) -> WatchService:
    cursors = CursorReader(core.store, core.history)
    return WatchService(
        cursors, core.follower, max_staleness=settings.max_staleness, max_watchers=settings.max_watchers
    )


async def _token_key(settings: Settings, store: MembershipStore) -> bytes:
    """Return the key that signs revision tokens: the setting, or one that all sidecars on the store share."""
    if settings.token_key is not None:
        return settings.token_key.get_secret_value().encode()
    return await store.secret("revision-tokens")


def _log_format(settings: Settings) -> LogFormat:
    if settings.log_format == "auto":
        return LogFormat.CONSOLE if sys.stderr.isatty() else LogFormat.JSON
    return LogFormat.JSON if settings.log_format == "json" else LogFormat.CONSOLE
