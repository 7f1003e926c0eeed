"""The record of which roles the packs declare, and the end of grants of roles that were dropped and come back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from sidegate.model.change import Change, EntryKind
from sidegate.ports.clock import ClockHook
from sidegate.ports.role_store import RoleChanges, RoleGrants
from sidegate.runtime.clock import CheckedClock
from sidegate_adapters.sql.batches import batches
from sidegate_adapters.sql.entry_rows import KINDS, Row
from sidegate_adapters.sql.schema_version import STORED_VERSION, require_version
from sidegate_adapters.sql.statements import execute_many, upsert
from sidegate_adapters.sql.tables import grants, pack_roles, tenants
from sidegate_adapters.sql.write.changes import Work
from sidegate_adapters.sql.write.transaction import LOCK_TENANTS, write

_BATCH = 1_000
_DEFAULT = "(default)"
"""The name, in the history, of the pack of tenants that name none."""


@dataclass(slots=True)
class _Difference:
    """The roles of a pack that are declared now and were not, and the reverse; of a first record all are `first`."""

    first: frozenset[str] = frozenset()
    added: Sequence[str] = ()
    dropped: Sequence[str] = ()


@dataclass(slots=True)
class _Found:
    """The changes that end grants, by tenant, and how many grants there are of each role."""

    changes: defaultdict[str, list[Change]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)


async def declared_differently(connection: AsyncConnection, declared: Mapping[str, frozenset[str]]) -> bool:
    """Return whether the record of any of these packs differs from what they declare."""
    return bool(await _differences(connection, declared))


async def declare_roles(
    connection: AsyncConnection,
    declared: Mapping[str, frozenset[str]],
    clock: CheckedClock,
    *,
    restore: bool,
    hook: ClockHook,
) -> RoleChanges:
    """Record the roles of packs, and end the grants of those that are declared again, unless they are to be restored.

    Raises:
        SchemaChanged: the database has another schema by now.
    """
    require_version(await connection.scalar(select(STORED_VERSION)))
    if connection.dialect.name == "postgresql":
        # Sidecars that load packs at the same time wait for one another; nothing else writes to this table.
        await connection.execute(text("LOCK TABLE pack_roles IN EXCLUSIVE MODE"))
    differences = await _differences(connection, declared)
    dropped: list[RoleGrants] = []
    added: list[RoleGrants] = []
    for pack, difference in differences.items():
        without_effect = await _grants_of(connection, pack, difference.dropped)
        dropped += (RoleGrants(pack, role, without_effect.counts[role]) for role in difference.dropped)
    ended = {} if restore else await _locked(connection, differences)
    for pack, difference in differences.items():
        found = await _grants_of(connection, pack, difference.added)
        added += (RoleGrants(pack, role, found.counts[role]) for role in difference.added if found.counts[role])
        changes = {tenant: made for tenant, made in found.changes.items() if tenant in ended}
        if changes:
            work = Work(changes, {tenant: ended[tenant] for tenant in changes}, f"pack:{pack or _DEFAULT}")
            await write(connection, work, clock, hook=hook)
        rows = _rows(pack, declared[pack], difference)
        await execute_many(connection, upsert(connection.dialect.name, pack_roles), rows)
    return RoleChanges(dropped, added)


async def _locked(connection: AsyncConnection, differences: Mapping[str, _Difference]) -> dict[str, int]:
    """Lock the tenants that have grants of added roles, and return their revisions.

    All are locked before anything is written to the feed, whose row other writers lock after their tenants.
    """
    with_grants: set[str] = set()
    for pack, difference in differences.items():
        with_grants.update((await _grants_of(connection, pack, difference.added)).changes)
    locked: dict[str, int] = {}
    for batch in batches(sorted(with_grants), _BATCH):
        locked.update((await connection.execute(LOCK_TENANTS, {"ids": batch})).all())
    return locked


async def _differences(connection: AsyncConnection, declared: Mapping[str, frozenset[str]]) -> dict[str, _Difference]:
    """Return what differs between the record and what packs declare, by pack; nothing for a pack without difference."""
    stored: defaultdict[str, dict[str, bool]] = defaultdict(dict)
    for row in await connection.execute(select(pack_roles).where(pack_roles.c.pack.in_(sorted(declared)))):
        stored[row.pack][row.role] = row.declared
    found: dict[str, _Difference] = {}
    for pack, roles in sorted(declared.items()):
        known = stored.get(pack)
        if known is None:
            found[pack] = _Difference(first=roles)
            continue
        added = sorted(role for role in roles if not known.get(role, False))
        dropped = sorted(role for role, is_declared in known.items() if is_declared and role not in roles)
        if added or dropped:
            found[pack] = _Difference(added=added, dropped=dropped)
    return found


def _rows(pack: str, roles: Collection[str], difference: _Difference) -> Iterator[Row]:
    for role in sorted({*difference.first, *difference.added, *difference.dropped}):
        yield {"pack": pack, "role": role, "declared": role in roles}


async def _grants_of(connection: AsyncConnection, pack: str, roles: Sequence[str]) -> _Found:
    """Return the grants of roles in the tenants of a pack."""
    found = _Found()
    if not roles:
        return found
    of_pack = grants.join(tenants, tenants.c.id == grants.c.tenant)
    query = select(grants).select_from(of_pack).where(tenants.c.pack == pack, grants.c.role.in_(roles))
    async for row in (await connection.stream(query.order_by(grants.c.tenant))).mappings():
        found.counts[row["role"]] += 1
        key = KINDS[EntryKind.GRANT].key(row)
        found.changes[row["tenant"]].append(Change(EntryKind.GRANT, key, before={}, after=None))
    return found
