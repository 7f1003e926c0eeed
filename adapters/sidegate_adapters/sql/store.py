"""The durable store of facts in a SQL database."""

from __future__ import annotations

from asyncio import Semaphore
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from sidegate.model import Change, Grant, RecordedChange, StoredResource, TenantFacts
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from sidegate_adapters.sql import reading, writing
from sidegate_adapters.sql.failures import translated


def _now() -> datetime:
    return datetime.now(UTC)


class SqlFactsStore:
    """A `FactsStore` on the engines of one database; `opening.open_store` makes one.

    `readers` begins transactions that see one consistent view, `writers` ones that no other writer comes between.
    At most `width` writes go to the database at once; the others wait here, where they hold no connection.
    """

    def __init__(
        self, readers: AsyncEngine, writers: AsyncEngine, *, width: int, now: Callable[[], datetime] = _now
    ) -> None:
        self._readers = readers
        self._writers = writers
        self._turn = Semaphore(width)
        self._now = now

    def __repr__(self) -> str:
        return f"SqlFactsStore({self._readers.url.render_as_string(hide_password=True)!r})"

    async def tenants(self) -> Sequence[str]:
        """Return the IDs of all tenants, sorted."""
        async with self._view() as connection:
            return await reading.tenant_ids(connection)

    async def load(self, tenant: str) -> tuple[TenantFacts, int] | None:
        """Return all facts of a tenant with their revision, from one consistent view; None where unknown."""
        async with self._view() as connection:
            return await reading.facts(connection, tenant, kinds=reading.EVERYTHING)

    async def load_core(self, tenant: str, scope_types: frozenset[str]) -> tuple[TenantFacts, int] | None:
        """Return a tenant's facts without its resources, with only the grants on scopes of `scope_types`."""
        wanted = reading.on_scopes_of(scope_types)
        async with self._view() as connection:
            return await reading.facts(connection, tenant, kinds=reading.CORE, grants_where=wanted)

    async def load_resource(self, tenant: str, reference: str) -> tuple[StoredResource | None, Sequence[Grant], int]:
        """Return one resource, the grants on it, and the tenant's revision, from one consistent view."""
        async with self._view() as connection:
            return await reading.resource(connection, tenant, reference)

    async def write(
        self, changes: Mapping[str, Sequence[Change]], *, expected: Mapping[str, int], actor: str
    ) -> Mapping[str, int]:
        """Write the changes of one or several tenants, all or nothing; return each one's new revision.

        `expected` may name tenants without changes too: the write then also depends on their revision.

        Raises:
            InvalidInput: the changes don't fit together or hold what can't be stored; nothing was written.
        """
        changed = {tenant: sequence for tenant, sequence in changes.items() if sequence}
        if not changed:
            return {}
        with translated():
            async with self._turn, self._writers.begin() as connection:
                return await writing.write(connection, writing.Work(changed, expected, actor, at=self._now()))

    async def changes_after(self, sequence: int, *, limit: int) -> Sequence[RecordedChange]:
        """Return up to `limit` changes with a greater sequence, in order, over all tenants."""
        async with self._view() as connection:
            return await reading.changes_after(connection, sequence, limit=limit)

    async def head(self) -> int:
        """Return the sequence of the newest change, 0 where there is none."""
        async with self._view() as connection:
            return await reading.head(connection)

    async def close(self) -> None:
        """Release all connections."""
        await self._readers.dispose()

    @asynccontextmanager
    async def _view(self) -> AsyncIterator[AsyncConnection]:
        with translated():
            async with self._readers.begin() as connection:
                yield connection
