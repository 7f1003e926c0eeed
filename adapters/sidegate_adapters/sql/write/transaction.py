"""The one write: the current state, the changes and the revisions of one or several tenants, in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Any
from zlib import crc32

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.errors import InvalidInput, RevisionConflict, Violation
from sidegate.model.change import Change, EntryKind, Receipt
from sidegate.model.entry import EntryKey, Key, Payload
from sidegate.model.revision import Revision
from sidegate.ports.clock import ClockHook, ignore_clocks
from sidegate.runtime.clock import CheckedClock
from sidegate_adapters.sql.batches import batches
from sidegate_adapters.sql.entry_rows import KINDS, Kind, Row, parent_rows, require_storable, tenant_columns
from sidegate_adapters.sql.queries import seats
from sidegate_adapters.sql.statements import execute_many, removal, upsert
from sidegate_adapters.sql.tables import changes, invitations, receipts, resource_parents, tenants
from sidegate_adapters.sql.write.changes import Work, append
from sidegate_adapters.sql.write.times import time_of_write

_BATCH = 1_000
_CLAIM, _CLAIMS = 0x51DE, 16
"""PostgreSQL's advisory locks for tenants without a row: their class, and how many there are."""
_TENANT: EntryKey = (EntryKind.TENANT, ())
RECEIPTS_KEPT = timedelta(hours=24)
# In the order of IDs, so that two writers of the same tenants wait for one another and never deadlock.
LOCK_TENANTS = (
    select(tenants.c.id, tenants.c.revision)
    .where(tenants.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(tenants.c.id)
    .with_for_update()
)
_THIS = update(tenants).where(tenants.c.id == bindparam("of"))
_BUMP = _THIS.values(revision=bindparam("revision"), seats=tenants.c.seats + bindparam("more"))
_ALTER = _THIS.values({name: bindparam(name) for name in ("pack", "settings", "suspended")})
_MAKE, _PLACE, _KEEP = insert(tenants), insert(resource_parents), insert(receipts)
_OUTDATED = delete(receipts).where(receipts.c.tenant == bindparam("of"), receipts.c.at < bindparam("since"))


@dataclass(slots=True)
class _Net:
    """The net effect of one tenant's changes: whether earlier entries are deleted, and the last state of each entry."""

    wiped: bool = False
    entries: dict[EntryKey, Payload | None] = field(default_factory=dict)

    @property
    def tenant(self) -> Mapping[str, Any] | None:
        """The tenant's own new payload, None if it is unchanged or deleted."""
        return self.entries.get(_TENANT)

    @property
    def members(self) -> dict[str, Payload | None]:
        """The last state of each member that the changes are about."""
        return {key[0]: payload for (entity, key), payload in self.entries.items() if entity is EntryKind.MEMBER}


@dataclass(frozen=True, slots=True)
class _Entry:
    tenant: str
    key: Key
    payload: Payload | None


async def write(
    connection: AsyncConnection, work: Work, clock: CheckedClock, *, hook: ClockHook = ignore_clocks
) -> dict[str, Revision]:
    """Write within the transaction that the connection is in; return each changed tenant's new revision.

    `hook` receives what the clocks showed.

    Raises:
        RevisionConflict: a tenant is at another revision than expected.
        InvalidInput: the changes don't fit together, such as a group removed without its members.
        SchemaChanged: the database has another schema by now.
    """
    nets = {tenant: _net(work.changes[tenant]) for tenant in sorted(work.changes)}
    revisions = await _next_revisions(connection, work)
    at = await time_of_write(connection, clock, hook)
    for tenant, net in nets.items():
        _require_tenant(tenant, net, there=work.expected.get(tenant, 0) > 0)
    await _wipe(connection, [tenant for tenant, net in nets.items() if net.wiped])
    await _put_tenants(connection, work, nets=nets, revisions=revisions, at=at)
    await _put_entries(connection, work, nets, at=at)
    if work.receipt is not None:
        await _store_receipt(connection, work.receipt, revisions=revisions, at=at)
    written_at = await append(connection, work, revisions, at=at)
    return {tenant: Revision.made(number, written_at) for tenant, number in revisions.items()}


def _net(sequence: Iterable[Change]) -> _Net:
    net = _Net()
    for change in sequence:
        if change.entity is EntryKind.TENANT and change.after is None:
            net.wiped = True
            net.entries.clear()
        else:
            net.entries[change.entity, change.key] = change.after
    return net


def _require_tenant(tenant: str, net: _Net, *, there: bool) -> None:
    if net.wiped and not there:
        raise InvalidInput(Violation("changes", f"there is no tenant `{tenant}` to remove"))
    if net.entries and net.tenant is None and (net.wiped or not there):
        message = f"there is no tenant `{tenant}`: its changes must make the tenant itself"
        raise InvalidInput(Violation("changes", message))


async def _next_revisions(connection: AsyncConnection, work: Work) -> dict[str, int]:
    """Lock the tenants, compare their revisions with the expected ones, and return the next of each."""
    stored: dict[str, int] = {}
    for tenant in work.changes:
        require_storable({"tenant": tenant})
    await _claim(
        connection, sorted(tenant for tenant in {*work.changes, *work.expected} if not work.expected.get(tenant))
    )
    for batch in batches(sorted({*work.changes, *work.expected}), _BATCH):
        stored.update((await connection.execute(LOCK_TENANTS, {"ids": batch})).all())
    for tenant in sorted({*work.changes, *work.expected}):
        here, expected = stored.get(tenant, 0), work.expected.get(tenant, 0)
        if here != expected:
            raise RevisionConflict(
                f"the tenant `{tenant}` is at revision {here}, not {expected}: read it again and retry"
            )
    for batch in batches([tenant for tenant in sorted(work.changes) if tenant not in stored], _BATCH):
        # A tenant that is deleted and created again continues its numbers: no revision ever names two states.
        query = select(changes.c.tenant, func.max(changes.c.revision)).where(changes.c.tenant.in_(batch))
        stored.update((await connection.execute(query.group_by(changes.c.tenant))).all())
    return {tenant: stored.get(tenant, 0) + 1 for tenant in sorted(work.changes)}


async def _claim(connection: AsyncConnection, absent: Sequence[str]) -> None:
    """Wait for other writers that create, or require the absence of, tenants that have no row to be locked yet.

    The locks are few, so that one write can create many tenants; two tenants of one lock only wait needlessly.
    """
    if absent and connection.dialect.name == "postgresql":
        for lock in sorted({crc32(tenant.encode()) % _CLAIMS for tenant in absent}):
            await connection.execute(select(func.pg_advisory_xact_lock(_CLAIM, lock)))


async def _wipe(connection: AsyncConnection, wiped: Sequence[str]) -> None:
    for table in (resource_parents, *(kind.table for kind in reversed([*KINDS.values()]))):
        await execute_many(connection, removal(table, "tenant"), ({"tenant": tenant} for tenant in wiped))
    await execute_many(connection, removal(tenants, "id"), ({"id": tenant} for tenant in wiped))


async def _put_tenants(
    connection: AsyncConnection, work: Work, *, nets: Mapping[str, _Net], revisions: Mapping[str, int], at: datetime
) -> None:
    made: list[Row] = []
    altered: list[Row] = []
    bumped: list[Row] = []
    for tenant, net in nets.items():
        if net.tenant is not None and (net.wiped or work.expected.get(tenant, 0) == 0):
            row = {"id": tenant, **tenant_columns(net.tenant), "revision": revisions[tenant], "created_at": at}
            made.append({**row, "seats": seats.among(net.members)})
        elif not net.wiped:
            more = await seats.more(connection, tenant, net.members)
            bumped.append({"of": tenant, "revision": revisions[tenant], "more": more})
            if net.tenant is not None:
                altered.append({"of": tenant, **tenant_columns(net.tenant)})
    try:
        await execute_many(connection, _MAKE, made)
    except IntegrityError as error:
        raise RevisionConflict("another writer made the same tenant first: read it again and retry") from error
    await execute_many(connection, _BUMP, bumped)
    await execute_many(connection, _ALTER, altered)


async def _put_entries(connection: AsyncConnection, work: Work, nets: Mapping[str, _Net], *, at: datetime) -> None:
    put: defaultdict[EntryKind, list[_Entry]] = defaultdict(list)
    deleted: defaultdict[EntryKind, list[_Entry]] = defaultdict(list)
    for tenant, net in nets.items():
        for (entity, key), payload in net.entries.items():
            (deleted if payload is None else put)[entity].append(_Entry(tenant, key, payload))
    # A resource's parents are rows of their own: the old ones are deleted first, where the tenant is not new.
    new = {tenant for tenant, net in nets.items() if net.wiped or not work.expected.get(tenant)}
    changed = chain(put[EntryKind.RESOURCE], deleted[EntryKind.RESOURCE])
    identities = (_identity(KINDS[EntryKind.RESOURCE], entry) for entry in changed if entry.tenant not in new)
    await execute_many(connection, removal(resource_parents, "tenant", "type", "id"), identities)
    for entity, kind in reversed([*KINDS.items()]):
        rows = (_identity(kind, entry) for entry in deleted[entity])
        await execute_many(connection, removal(kind.table, *kind.table.primary_key.columns.keys()), rows)
    left = ({"tenant": entry.tenant, "member": entry.key[0]} for entry in deleted[EntryKind.MEMBER])
    await execute_many(connection, removal(invitations, "tenant", "member"), left)
    for entity, kind in KINDS.items():
        await execute_many(connection, upsert(connection.dialect.name, kind.table), _rows(kind, put[entity], at=at))
    parents = (
        {"tenant": entry.tenant, **row}
        for entry in put[EntryKind.RESOURCE]
        if entry.payload is not None
        for row in parent_rows(entry.key, entry.payload)
    )
    await execute_many(connection, _PLACE, parents)


def _identity(kind: Kind, entry: _Entry) -> Row:
    return {"tenant": entry.tenant, **kind.identity(entry.key)}


def _rows(kind: Kind, entries: Iterable[_Entry], *, at: datetime) -> Iterator[Row]:
    made = {"created_at": at} if "created_at" in kind.table.c else {}
    for entry in entries:
        if entry.payload is not None:
            yield {**_identity(kind, entry), **kind.columns(entry.key, entry.payload), **made}


async def _store_receipt(
    connection: AsyncConnection, receipt: Receipt, *, revisions: Mapping[str, int], at: datetime
) -> None:
    """Store the answer to the request, and delete the old receipts of the same tenants."""
    since = at - RECEIPTS_KEPT
    await execute_many(connection, _OUTDATED, ({"of": tenant, "since": since} for tenant in revisions))
    stored_receipt = {
        "request_id": receipt.request_id,
        "digest": receipt.digest,
        "response": receipt.response,
        "at": at,
    }
    try:
        await execute_many(
            connection,
            _KEEP,
            ({"tenant": tenant, **stored_receipt, "revision": revision} for tenant, revision in revisions.items()),
        )
    except IntegrityError as error:
        raise RevisionConflict("the same request came twice at once: read its receipt and answer that") from error
