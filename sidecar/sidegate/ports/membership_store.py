"""The port of the store that lists and commands read: never a whole tenant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sidegate.model.change import EntryKind, Receipt
from sidegate.model.entry import EntryKey, Payload
from sidegate.model.facts import Grant
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
from sidegate.model.revision import Revision
from sidegate.ports.facts_store import FactsStore


class MembershipStore(FactsStore, Protocol):
    """Reads what one step of the membership needs, never a whole tenant.

    Each read comes from one consistent view and returns the tenant's revision, NO_REVISION for an unknown tenant.
    All raise StoreUnavailable where the store does not answer.
    """

    async def entries(self, tenant: str, keys: Iterable[EntryKey]) -> tuple[Mapping[EntryKey, Payload], Revision]:
        """Return the entries that exist."""
        ...

    async def related(
        self, tenant: str, relation: Relation, values: Iterable[str]
    ) -> tuple[Mapping[EntryKey, Payload], Revision]:
        """Return the entries that a relation links to any of the values."""
        ...

    async def seats(self, tenant: str) -> tuple[int, Revision]:
        """Return how many seats are taken: the active and the invited members."""
        ...

    async def members(
        self, tenant: str, query: MemberQuery, *, after: str, limit: int
    ) -> tuple[Sequence[MemberRecord], Revision]:
        """Return up to `limit` members that the query asks for and whose ID is greater than `after`, by ID."""
        ...

    async def tenant_page(self, query: TenantQuery, *, after: str, limit: int) -> Sequence[TenantRecord]:
        """Return up to `limit` tenants that the query asks for and whose ID is greater than `after`, by ID."""
        ...

    async def size(self, tenant: str) -> tuple[TenantSize, Revision]:
        """Return how much there is in a tenant."""
        ...

    async def page(
        self, tenant: str, entity: EntryKind, *, after: str, limit: int
    ) -> tuple[Mapping[EntryKey, Payload], Revision]:
        """Return up to `limit` groups or roles whose ID is greater than `after`, by ID."""
        ...

    async def resource_page(
        self, tenant: str, query: ResourceQuery, *, after: str, limit: int
    ) -> tuple[Sequence[ResourceRecord], Revision]:
        """Return up to `limit` resources that the query asks for and that come after a reference, by type and ID."""
        ...

    async def counts(self, tenant: str, parent: str) -> tuple[Mapping[str, int], Revision]:
        """Return how many resources of each type have this parent directly."""
        ...

    async def grant_page(
        self, tenant: str, query: GrantQuery, *, after: Grant | None, limit: int
    ) -> tuple[Sequence[Grant], Revision]:
        """Return up to `limit` grants that the query asks for and that come after one, by role, scope and holder."""
        ...

    async def group_page(self, tenant: str, group: str, *, after: str, limit: int) -> tuple[Sequence[str], Revision]:
        """Return up to `limit` direct members of a group, beyond `after`, as references: groups first."""
        ...

    async def record_access(self, tenant: str, member: str, at: datetime) -> bool:
        """Record when a member was last seen, unless a later time is stored; False for an unknown member."""
        ...

    async def receipt(self, tenant: str, request_id: str) -> tuple[Receipt, Revision] | None:
        """Return the receipt of a request, with the revision it made; None if nothing is stored for it."""
        ...
