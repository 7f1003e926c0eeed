"""Puts the handlers of all services together."""

from __future__ import annotations

from sidegate.bootstrap.core import Core
from sidegate.bulk.process import BulkProcesses, DocumentLimits, Site
from sidegate.config.settings import Settings
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
from sidegate.policy.pack.schema import Schema
from sidegate.ports.membership_store import MembershipStore
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
from sidegate.telemetry.metrics import Metrics


async def service_handlers(core: Core, settings: Settings, metrics: Metrics) -> dict[str, object]:
    """Return the handler of each service, by the service's name."""
    keys = await _token_keys(settings, core.store)
    tokens, seals = RevisionTokens(*keys), Seals(*keys)
    codec = CheckCodec(tokens)
    lists = ListCodec(codec, tokens, seals)
    authorization = AuthorizationHandler(
        core.decider, core.batches, core.search, codec=codec, lists=lists, max_checks=settings.batch_limit
    )
    watch_service = _watch_service(core, settings)
    metrics.show_watchers(watch_service.count)
    return {
        "AuthorizationService": authorization,
        "FactsService": FactsHandler(core.facts, PastFacts(core.history), tokens, bulk=_bulk(core, settings)),
        **_membership(core, watch_service, tokens, seals, account_id=settings.account_id_pattern),
    }


def _bulk(core: Core, settings: Settings) -> BulkProcesses:
    packs = core.packs

    def schemas() -> dict[str, Schema]:
        return {name: schema for name in packs.names() if (schema := packs.schema_of(name)) is not None}

    site = Site(
        database=settings.database.get_secret_value,
        schemas=schemas,
        default_pack=settings.default_pack,
        turns=core.store,
        catch_up=core.follower.catch_up,
    )
    limits = DocumentLimits(settings.max_facts_bytes, settings.max_facts_values)
    return BulkProcesses(site, most=settings.bulk_capacity, limits=limits)


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


async def _token_keys(settings: Settings, store: MembershipStore) -> tuple[bytes, ...]:
    """Return the keys of tokens: those of the setting, or one that all sidecars on the store share."""
    if settings.token_key is not None:
        return tuple(key.get_secret_value().encode() for key in settings.token_key)
    return (await store.secret("revision-tokens"),)
