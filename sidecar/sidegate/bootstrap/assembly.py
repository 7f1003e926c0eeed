"""Where concrete classes meet: the store, the order of the decision chain, the server."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from sidegate.bootstrap.background import Work, background
from sidegate.bootstrap.caching import cached
from sidegate.bootstrap.hinting import chosen_hints
from sidegate.bootstrap.reloading import Reloading
from sidegate.config import Settings
from sidegate.decision.fresh import Freshness
from sidegate.decision.guarded import Guarded
from sidegate.decision.measured import Measured, Measurement
from sidegate.decision.resolved import Resolved
from sidegate.decision.search import Search
from sidegate.engine import ENGINES
from sidegate.membership.commander import Commander
from sidegate.membership.facts import FactsKeeper
from sidegate.membership.follower import Follower
from sidegate.membership.grants import Grants
from sidegate.membership.groups import Groups
from sidegate.membership.history import History
from sidegate.membership.inforce import InForce
from sidegate.membership.invitations import Invitations
from sidegate.membership.lastgood import LastGood
from sidegate.membership.members import Members
from sidegate.membership.monitoring import Monitoring
from sidegate.membership.past import Past
from sidegate.membership.places import Places
from sidegate.membership.quotas import Quotas
from sidegate.membership.reader import Reader
from sidegate.membership.relations import Relations
from sidegate.membership.resources import Resources
from sidegate.membership.roles import Roles
from sidegate.membership.snapshot import Snapshots
from sidegate.membership.steps import Steps
from sidegate.membership.tenants import Tenants
from sidegate.membership.usage import Usage
from sidegate.membership.verifier import Verifier
from sidegate.membership.watching import Watching
from sidegate.policy.keeper import PackKeeper, bundled_packs
from sidegate.policy.schema import Schema
from sidegate.ports import Decider, Hints, HistoryStore, MembershipStore, Shelf
from sidegate.server.authorization import Authorization
from sidegate.server.codec import Codec
from sidegate.server.facts import Facts
from sidegate.server.groups import GroupHandler
from sidegate.server.history import HistoryHandler
from sidegate.server.listener import GrpcServer, Handlers, ListenerSettings
from sidegate.server.lists import ListCodec
from sidegate.server.members import MemberHandler
from sidegate.server.quotas import QuotaHandler
from sidegate.server.resources import ResourceHandler
from sidegate.server.revision import RevisionTokens
from sidegate.server.roles import RoleHandler
from sidegate.server.seals import Seals
from sidegate.server.tenants import TenantHandler
from sidegate.telemetry.cache import UNCOUNTED, CacheObserver
from sidegate.telemetry.logging import LogFormat, configure_logging, get_log
from sidegate.telemetry.metrics import Metrics
from sidegate.telemetry.sync import UNOBSERVED, SyncObserver
from sidegate_adapters.files.shelf import open_shelf
from sidegate_adapters.sql.opening import open_store

DEMO_TENANT = "demo"
DEMO_FACTS = "standard/demo.yaml"


@dataclass(frozen=True, slots=True)
class Core:
    """The decision point without a server: what answers, and what writes facts."""

    decider: Decider
    search: Search
    facts: InForce
    store: MembershipStore
    history: HistoryStore
    packs: PackKeeper
    follower: Follower
    snapshots: Snapshots
    hints: Hints | None
    reloading: Reloading
    max_staleness: float

    def ready(self) -> bool:
        """Return whether it can decide now."""
        return self.follower.staleness() <= self.max_staleness


@dataclass(frozen=True, slots=True)
class Running:
    """A sidecar that listens: where, on which packs, and whether the demo tenant is there to try.

    `reload` asks it to load the packs anew.
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
    """Serve until SIGINT or SIGTERM, and load the packs anew on SIGHUP; `announce` is called once everything listens.

    Raises:
        PackError: a pack does not load; nothing listens.
        StartError: a path, port or file can't be had; nothing listens.
    """
    configure_logging(_log_format(settings), settings.log_level)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with serving(settings) as running:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, running.reload)
        announce(running)
        await stopped.wait()
        get_log("bootstrap").info("stopping", drain=settings.drain)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Running]:
    """Run a sidecar that listens on all its addresses, and stop it gracefully."""
    metrics = Metrics()
    async with deciding(
        settings, observe=metrics.observe_decision, observer=metrics.sync, caching=metrics.cache
    ) as core:
        hints = core.hints
        metrics.sync.show(core.follower.staleness, core.snapshots.held, lambda: hints is not None and hints.connected)
        key = await _token_key(settings, core.store)
        tokens, seals = RevisionTokens(key), Seals(key)
        codec = Codec(tokens)
        lists = ListCodec(codec, tokens, seals)
        authorization = Authorization(
            core.decider, core.search, codec=codec, lists=lists, max_checks=settings.batch_limit
        )
        steps = Steps(core.store, core.decider, _schemas(core.packs))
        commander, reader = Commander(steps, core.follower), Reader(steps, core.follower)
        watching = _watching(core, settings)
        metrics.show_watchers(watching.count)
        handlers = Handlers(
            authorization,
            Facts(core.facts, tokens),
            core.ready,
            tenants=TenantHandler(Tenants(commander, reader, pack_names=core.packs.names), tokens, seals),
            members=MemberHandler(Members(commander, reader), Invitations(commander), tokens, seals),
            history=HistoryHandler(History(core.history, reader), watching, tokens, seals),
            roles=RoleHandler(Roles(commander, reader), Grants(commander, reader), tokens, seals),
            groups=GroupHandler(Groups(commander, reader), tokens, seals),
            resources=ResourceHandler(
                Resources(commander, reader),
                monitoring=Monitoring(core.history, reader),
                relations=Relations(reader),
                tokens=tokens,
                seals=seals,
            ),
            quotas=QuotaHandler(Quotas(commander), Usage(core.history, reader), tokens, seals),
        )
        listening = ListenerSettings(addresses=settings.listen, socket_mode=settings.socket_mode, grace=settings.drain)
        server = GrpcServer(handlers, listening, on_call=metrics.observe_call)
        addresses = await server.start()
        try:
            with _metrics_served(metrics, settings.metrics_address) as metrics_address:
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
            await server.stop()


@asynccontextmanager
async def deciding(
    settings: Settings,
    *,
    observe: Callable[[Measurement], None] = lambda _: None,
    observer: SyncObserver = UNOBSERVED,
    caching: CacheObserver = UNCOUNTED,
) -> AsyncIterator[Core]:
    """Assemble the decision chain over an open store, and follow its changes meanwhile."""
    packs = PackKeeper(ENGINES[settings.engine], settings.policies or bundled_packs(), settings.default_pack)
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
        shelf = _shelf(settings)
        kept = None if shelf is None else LastGood(shelf, snapshots, follower, packs)
        if kept is not None:
            await kept.restore()
        await follower.catch_up()
        resolved = Resolved(snapshots, catch_up=follower.catch_up)
        async with cached(resolved, settings, store=store, snapshots=snapshots, observer=caching) as answering:
            freshness = Freshness(follower, snapshots, max_staleness=settings.max_staleness)
            decider = Guarded(Measured(answering, observe=observe), freshness)
            search = Search(store, snapshots, freshness, catch_up=follower.catch_up)
            facts = InForce(FactsKeeper(store, _schemas(packs), pack_names=packs.names), follower, Past(store))
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


def _work(core: Core, kept: LastGood | None, settings: Settings, observer: SyncObserver) -> Iterator[Work]:
    """Yield what goes on beside the answering."""
    yield core.follower.run
    yield core.reloading.run
    if core.hints is not None:
        yield partial(core.follower.heed, core.hints)
    if settings.verify_interval:
        yield Verifier(core.snapshots, core.follower, interval=settings.verify_interval, observer=observer).run
    if kept is not None:
        yield kept.run


@contextmanager
def _metrics_served(metrics: Metrics, address: str | None) -> Iterator[str]:
    """Serve metrics over HTTP meanwhile, and yield where; nowhere is "".

    Raises:
        StartError: the address can't be listened on.
    """
    if address is None:
        yield ""
        return
    host, _, port = address.rpartition(":")
    server = metrics.serve(host.strip("[]"), int(port))
    try:
        yield f"{host}:{server.port}"
    finally:
        server.stop()


async def _seed_demo(core: Core) -> None:
    """Write the demo tenant where it is not there yet."""
    if DEMO_TENANT not in await core.store.tenants():
        text = (bundled_packs() / DEMO_FACTS).read_text(encoding="utf-8")
        await core.facts.apply(text, DEMO_FACTS, actor="platform")


def _shelf(settings: Settings) -> Shelf | None:
    """Return where memory is kept on disk, None where it is not.

    Raises:
        StartError: the directory can't be had.
    """
    if settings.snapshot_directory is None:
        return None
    secret = settings.token_key
    key = None if secret is None else sha256(b"sidegate shelf\0" + secret.get_secret_value().encode()).digest()
    return open_shelf(settings.snapshot_directory, key)


def _watching(core: Core, settings: Settings) -> Watching:
    places = Places(core.store, core.history)
    return Watching(places, core.follower, max_staleness=settings.max_staleness, max_watchers=settings.max_watchers)


def _schemas(packs: PackKeeper) -> Callable[[str], Schema | None]:
    def schema_of(name: str) -> Schema | None:
        compiled = packs.get(name)
        return compiled.pack.schema if compiled else None

    return schema_of


async def _token_key(settings: Settings, store: MembershipStore) -> bytes:
    """Return the key that signs revision tokens: the setting, or one that all sidecars on the store share."""
    if settings.token_key is not None:
        return settings.token_key.get_secret_value().encode()
    return await store.secret("revision-tokens")


def _log_format(settings: Settings) -> LogFormat:
    if settings.log_format == "auto":
        return LogFormat.CONSOLE if sys.stderr.isatty() else LogFormat.JSON
    return LogFormat.JSON if settings.log_format == "json" else LogFormat.CONSOLE
