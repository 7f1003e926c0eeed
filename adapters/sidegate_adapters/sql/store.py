"""The durable store of facts in a SQL database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from sidegate.model.change import Change, ChangeQuery, EntryKind, Receipt, RecordedChange
from sidegate.model.entry import EntryKey, Payload
from sidegate.model.facts import Grant, StoredResource, TenantFacts
from sidegate.model.page import (
    GrantQuery,
    MemberQuery,
    MemberRecord,
    Relation,
    ResourceQuery,
    ResourceRecord,
    TenantQuery,
    TenantRecord,
    TenantSize,
)
from sidegate.model.quota import QuotaTotal, UsageQuery
from sidegate.model.revision import Revision
from sidegate.ports.clock import ClockHook
from sidegate.ports.role_store import RoleChanges
from sidegate.runtime.clock import CheckedClock
from sidegate_adapters.sql.databases.engines import Engines, dispose
from sidegate_adapters.sql.databases.errors import retried, translated, uncommitted
from sidegate_adapters.sql.queries import (
    entries,
    feed,
    grants,
    history,
    members,
    quotas,
    resources,
    seats,
    secrets,
    tenant_facts,
    tenants,
)
from sidegate_adapters.sql.write import pack_roles, transaction
from sidegate_adapters.sql.write.changes import Work
from sidegate_adapters.sql.write.last_access import record_access
from sidegate_adapters.sql.write.secrets import create_secret

_T = TypeVar("_T")


class SqlFactsStore:
    """A `MembershipStore` on the engines of one database; `opening.open_store` makes one.

    The writes beyond the engines' width wait here, where they hold no connection.
    A transaction that has begun runs to its end even where its caller is cancelled: drivers that are stopped in
    the middle of a statement can keep their locks.
    """

    def __init__(
        self, engines: Engines, *, written: Callable[[], None], clock: CheckedClock, on_clocks: ClockHook
    ) -> None:
        self._written = written
        self._clock = clock
        self._on_clocks = on_clocks
        self._readers = engines.readers
        self._writers = engines.writers
        self._single = engines.single
        self._address = engines.address
        self._turn = asyncio.Semaphore(engines.width)
        self._running: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        return f"SqlFactsStore({self._address!r})"

    async def tenants(self) -> Sequence[str]:
        """Return the IDs of all tenants, sorted."""
        return await self._read(feed.tenant_ids)

    async def load(self, tenant: str) -> tuple[TenantFacts, Revision] | None:
        """Return all facts of a tenant with their revision, from one consistent view; None where unknown."""
        return await self._read(lambda connection: tenant_facts.facts(connection, tenant))

    async def tenant_head(self, tenant: str) -> tuple[str, Revision] | None:
        """Return a tenant's pack and revision, None where there is no such tenant."""
        return await self._read_single(lambda connection: feed.tenant_head(connection, tenant))

    async def load_core(self, tenant: str, scope_types: frozenset[str]) -> tuple[TenantFacts, Revision] | None:
        """Return a tenant's facts without its resources, with only the grants on scopes of `scope_types`."""
        return await self._read(lambda connection: tenant_facts.core(connection, tenant, scope_types))

    async def load_resource(
        self, tenant: str, reference: str
    ) -> tuple[StoredResource | None, Sequence[Grant], Revision]:
        """Return one resource, the grants on it, and the tenant's revision, from one consistent view."""
        return await self._read(lambda connection: feed.resource(connection, tenant, reference))

    async def load_resources(
        self, tenant: str, references: Collection[str]
    ) -> tuple[Mapping[str, StoredResource], Sequence[Grant], Revision]:
        """Return any number of resources with all their ancestors, and the grants on the resources."""
        return await self._read(lambda connection: entries.with_ancestors(connection, tenant, references))

    async def revision(self, tenant: str, number: int) -> Revision | None:
        """Return the revision with a number in a tenant's history, None where there is none."""
        return await self._read_single(lambda connection: feed.revision(connection, tenant, number))

    async def write(
        self,
        changes: Mapping[str, Sequence[Change]],
        *,
        expected: Mapping[str, int],
        actor: str,
        caller: str = "",
        receipt: Receipt | None = None,
    ) -> Mapping[str, Revision]:
        """Write the changes of one or several tenants, all or nothing; return each one's new revision.

        `expected` may name tenants without changes too: the write then also depends on their revision.
        `receipt` is stored for each changed tenant, and can be read for a day.

        Raises:
            InvalidInput: the changes don't fit together or hold what can't be stored; nothing was written.
            RevisionConflict: a tenant is at another revision than expected; nothing was written.
            StoreUnavailable: the store does not answer; nothing was written, or all where the commit's answer was lost.
        """
        changed = {tenant: tuple(sequence) for tenant, sequence in changes.items() if sequence}
        if not changed:
            return {}
        needed = dict(expected)

        def work(connection: AsyncConnection) -> Awaitable[Mapping[str, Revision]]:
            made = Work(changed, needed, actor, caller=caller, receipt=receipt)
            return transaction.write(connection, made, self._clock, hook=self._on_clocks)

        revisions = await self._write(work)
        self._written()
        return revisions

    @asynccontextmanager
    async def write_turn(self) -> AsyncIterator[None]:
        """Wait for a turn to write, and hold it meanwhile; then hints are sent as after a write."""
        async with self._turn:
            yield
        self._written()

    async def changes_after(self, sequence: int, *, limit: int) -> Sequence[RecordedChange]:
        """Return up to `limit` changes with a greater sequence, in order, over all tenants."""
        return await self._read(lambda connection: feed.changes_after(connection, sequence, limit=limit))

    async def feed(self, sequence: int, *, limit: int) -> tuple[int, Sequence[RecordedChange]]:
        """Return the newest sequence, and up to `limit` changes from `sequence` on, from one consistent view."""
        return await self._read_single(lambda connection: feed.feed_from(connection, sequence, limit=limit))

    async def head(self) -> int:
        """Return the sequence of the newest change, 0 where there is none."""
        return await self._read_single(feed.head)

    async def entries(self, tenant: str, keys: Iterable[EntryKey]) -> tuple[Mapping[EntryKey, Payload], Revision]:
        """Return those of the entries that exist, with the tenant's revision."""
        wanted = tuple(keys)
        return await self._read(lambda connection: entries.entries(connection, tenant, wanted))

    async def related(
        self, tenant: str, relation: Relation, values: Iterable[str]
    ) -> tuple[Mapping[EntryKey, Payload], Revision]:
        """Return the entries that have a relation to any of the values, with the tenant's revision."""
        wanted = tuple(values)
        return await self._read(lambda connection: entries.related(connection, tenant, relation, wanted))

    async def seats(self, tenant: str) -> tuple[int, Revision]:
        """Return how many members are active or invited, with the tenant's revision."""
        return await self._read_single(lambda connection: seats.taken(connection, tenant))

    async def members(
        self, tenant: str, query: MemberQuery, *, after: str, limit: int
    ) -> tuple[Sequence[MemberRecord], Revision]:
        """Return up to `limit` members that the query asks for and whose ID is greater than `after`, by ID."""
        return await self._read(
            lambda connection: members.members_page(connection, tenant, query, after=after, limit=limit)
        )

    async def tenant_page(self, query: TenantQuery, *, after: str, limit: int) -> Sequence[TenantRecord]:
        """Return up to `limit` tenants that the query asks for and whose ID is greater than `after`, by ID."""
        return await self._read(lambda connection: tenants.tenant_page(connection, query, after=after, limit=limit))

    async def size(self, tenant: str) -> tuple[TenantSize, Revision]:
        """Return how many members and resources there are in a tenant, with its revision."""
        return await self._read(lambda connection: tenants.size(connection, tenant))

    async def page(
        self, tenant: str, entity: EntryKind, *, after: str, limit: int
    ) -> tuple[Mapping[EntryKey, Payload], Revision]:
        """Return up to `limit` groups or roles whose ID is greater than `after`, by ID."""
        return await self._read(lambda connection: entries.page(connection, tenant, entity, after=after, limit=limit))

    async def resource_page(
        self, tenant: str, query: ResourceQuery, *, after: str, limit: int
    ) -> tuple[Sequence[ResourceRecord], Revision]:
        """Return up to `limit` resources that the query asks for and that come after a reference, by type and ID."""
        return await self._read(
            lambda connection: resources.resource_page(connection, tenant, query, after=after, limit=limit)
        )

    async def counts(self, tenant: str, parent: str) -> tuple[Mapping[str, int], Revision]:
        """Return how many resources of each type are direct children of a parent, with the tenant's revision."""
        return await self._read(lambda connection: resources.counts(connection, tenant, parent))

    async def grant_page(
        self, tenant: str, query: GrantQuery, *, after: Grant | None, limit: int
    ) -> tuple[Sequence[Grant], Revision]:
        """Return up to `limit` grants that the query asks for and that come after one, by role, scope and holder."""
        return await self._read(
            lambda connection: grants.grant_page(connection, tenant, query, after=after, limit=limit)
        )

    async def group_page(self, tenant: str, group: str, *, after: str, limit: int) -> tuple[Sequence[str], Revision]:
        """Return up to `limit` references of a group's direct members after one: its groups, then its members."""
        return await self._read(
            lambda connection: grants.group_page(connection, tenant, group, after=after, limit=limit)
        )

    async def record_access(self, tenant: str, member: str, at: datetime) -> bool:
        """Store when a member was seen, unless a later time is stored; return False if there is no such member."""
        return await self._write(lambda connection: record_access(connection, tenant, member, at))

    async def receipt(self, tenant: str, request_id: str) -> tuple[Receipt, Revision] | None:
        """Return what a request was answered, with the revision it made; None where nothing is stored of it."""
        since = self._clock.now() - transaction.RECEIPTS_KEPT
        return await self._read_single(lambda connection: entries.receipt(connection, tenant, request_id, since=since))

    async def history(self, tenant: str, query: ChangeQuery, *, after: int, limit: int) -> Sequence[RecordedChange]:
        """Return up to `limit` changes that the query asks for, in its order, beyond the sequence `after`."""
        return await self._read(lambda connection: history.page(connection, tenant, query, after=after, limit=limit))

    async def quota_totals(
        self, tenant: str, query: UsageQuery, *, after: tuple[date, str], limit: int
    ) -> tuple[Sequence[QuotaTotal], Revision]:
        """Return up to `limit` totals by period and holder, beyond a start and a holder, with the tenant's revision."""
        return await self._read(lambda connection: quotas.page(connection, tenant, query, after=after, limit=limit))

    async def revision_at(self, tenant: str, at: datetime | None = None) -> int:
        """Return the number of the newest revision that was made until then, 0 where there is none."""
        return await self._read(lambda connection: history.revision_at(connection, tenant, at))

    async def load_at(self, tenant: str, number: int) -> TenantFacts | None:
        """Return the facts of a tenant as they were at a revision; None if it did not exist."""
        return await self._read(lambda connection: history.facts_at(connection, tenant, number))

    async def tenants_ever(self) -> Sequence[str]:
        """Return the IDs of all tenants that are or were there, sorted."""
        return await self._read(history.tenants_ever)

    async def secret(self, name: str) -> bytes:
        """Return the secret random bytes of this name in this database, created by the first call."""
        known = await self._read(lambda connection: secrets.secret(connection, name))
        if known is not None:
            return known
        return await self._write(lambda connection: create_secret(connection, name))

    async def declare_roles(
        self, roles: Mapping[str, frozenset[str]], *, default: str, restore: bool = False
    ) -> RoleChanges:
        """Record the roles of packs, end the grants of roles that are declared again, and return what changed."""
        declared = pack_roles.Declared(roles, default)
        if not await self._read(lambda connection: pack_roles.declared_differently(connection, declared)):
            return RoleChanges()

        def work(connection: AsyncConnection) -> Awaitable[RoleChanges]:
            return pack_roles.declare_roles(connection, declared, self._clock, restore=restore, hook=self._on_clocks)

        changed = await self._write(work)
        self._written()
        return changed

    async def close(self) -> None:
        """Wait for the transactions that have begun, and release all connections."""
        await asyncio.gather(*self._running, return_exceptions=True)
        await dispose(self._readers)

    async def _read(self, query: Callable[[AsyncConnection], Awaitable[_T]]) -> _T:
        return await asyncio.shield(self._start(_transaction(self._readers, query)))

    async def _read_single(self, query: Callable[[AsyncConnection], Awaitable[_T]]) -> _T:
        """Return the result of a query of one statement, without an explicit transaction."""
        return await asyncio.shield(self._start(_transaction(self._single, query)))

    async def _write(self, work: Callable[[AsyncConnection], Awaitable[_T]]) -> _T:
        await self._turn.acquire()
        task = self._start(_transaction(self._writers, work))
        task.add_done_callback(lambda _: self._turn.release())
        return await asyncio.shield(task)

    def _start(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task


async def _transaction(engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[_T]]) -> _T:
    async def once() -> _T:
        async with engine.connect() as connection:
            with uncommitted():
                result = await work(connection)
            await connection.commit()
            return result

    with translated():
        return await retried(once)
