"""The record of which roles the packs declare, and the end of grants of roles that were dropped and come back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select, text
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


@dataclass(frozen=True, slots=True)
class _Difference:
    """The roles of a pack that are declared now and were not, and the reverse; of a first record all are `first`.

    `names` are those by which tenants name the pack: for the default one also "".
    """

    names: tuple[str, ...]
    first: frozenset[str] = frozenset()
    added: Sequence[str] = ()
    dropped: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Declared:
    """The roles that packs declare, by pack, and the pack of the tenants that name none."""

    roles: Mapping[str, frozenset[str]]
    default: str


async def declared_differently(connection: AsyncConnection, declared: Declared) -> bool:
    """Return whether the record of any of these packs differs from what they declare."""
    return bool(await _differences(connection, declared))


async def declare_roles(
    connection: AsyncConnection,
    declared: Declared,
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
        counts = await _counts(connection, difference.names, difference.dropped)
        dropped += (RoleGrants(pack, role, counts.get(role, 0)) for role in difference.dropped)
        counts = await _counts(connection, difference.names, difference.added)
        added += (RoleGrants(pack, role, count) for role, count in counts.items())
    ended = {} if restore else await _locked(connection, differences)
    for pack, difference in differences.items():
        if changes := await _ending(connection, difference, within=ended):
            work = Work(changes, {tenant: ended[tenant] for tenant in changes}, f"pack:{pack}")
            await write(connection, work, clock, hook=hook)
        rows = _rows(pack, declared.roles[pack], difference)
        await execute_many(connection, upsert(connection.dialect.name, pack_roles), rows)
    return RoleChanges(dropped, added)


async def _locked(connection: AsyncConnection, differences: Mapping[str, _Difference]) -> dict[str, int]:
    """Lock the tenants that have grants of added roles, and return their revisions.

    All are locked before anything is written to the feed, whose row other writers lock after their tenants.
    """
    with_grants: set[str] = set()
    for difference in differences.values():
        if difference.added:
            of_added = _of_roles(grants.c.tenant, difference.names, difference.added)
            with_grants.update(await connection.scalars(of_added.distinct()))
    locked: dict[str, int] = {}
    for batch in batches(sorted(with_grants), _BATCH):
        locked.update((await connection.execute(LOCK_TENANTS, {"ids": batch})).all())
    return locked


async def _differences(connection: AsyncConnection, declared: Declared) -> dict[str, _Difference]:
    """Return what differs between the record and what packs declare, by pack; nothing for a pack without difference."""
    stored: defaultdict[str, dict[str, bool]] = defaultdict(dict)
    for row in await connection.execute(select(pack_roles).where(pack_roles.c.pack.in_(sorted(declared.roles)))):
        stored[row.pack][row.role] = row.declared
    found: dict[str, _Difference] = {}
    for pack, roles in sorted(declared.roles.items()):
        names = (pack, "") if pack == declared.default else (pack,)
        known = stored.get(pack)
        if known is None:
            if roles:
                found[pack] = _Difference(names, first=roles)
            continue
        added = sorted(role for role in roles if not known.get(role, False))
        dropped = sorted(role for role, is_declared in known.items() if is_declared and role not in roles)
        if added or dropped:
            found[pack] = _Difference(names, added=added, dropped=dropped)
    return found


def _rows(pack: str, roles: Collection[str], difference: _Difference) -> Iterator[Row]:
    for role in sorted({*difference.first, *difference.added, *difference.dropped}):
        yield {"pack": pack, "role": role, "declared": role in roles}


def _of_roles(columns: Any, packs: Sequence[str], roles: Sequence[str]) -> Select[Any]:
    """Return columns of the grants of roles in the tenants that name one of the packs."""
    of_pack = grants.join(tenants, tenants.c.id == grants.c.tenant)
    return select(columns).select_from(of_pack).where(tenants.c.pack.in_(packs), grants.c.role.in_(roles))


async def _counts(connection: AsyncConnection, packs: Sequence[str], roles: Sequence[str]) -> dict[str, int]:
    """Return how many grants are stored of each role that has any, by role."""
    if not roles:
        return {}
    counted = _of_roles(grants.c.role, packs, roles).add_columns(func.count()).group_by(grants.c.role)
    return dict(sorted((await connection.execute(counted)).all()))


async def _ending(
    connection: AsyncConnection, difference: _Difference, *, within: Collection[str]
) -> dict[str, list[Change]]:
    """Return the changes that remove the grants of a pack's added roles in some of its tenants, by tenant."""
    found: defaultdict[str, list[Change]] = defaultdict(list)
    if within and difference.added:
        stored = _of_roles(grants, difference.names, difference.added).order_by(grants.c.tenant)
        async for row in (await connection.stream(stored)).mappings():
            if row["tenant"] in within:
                key = KINDS[EntryKind.GRANT].key(row)
                found[row["tenant"]].append(Change(EntryKind.GRANT, key, before={}, after=None))
    return found
