"""The ports: what the core asks of the parts around it, as contracts.

One test suite per port runs over every implementation (tests/contract).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from sidegate.entries import EntryKey, Payload
from sidegate.model import (
    NO_LINKS,
    Answer,
    Change,
    Decision,
    Entity,
    Grant,
    MatchFunction,
    RecordedChange,
    Request,
    Revision,
    RoleLinks,
    Row,
    StoredResource,
    TenantFacts,
)
from sidegate.queries import (
    ChangeQuery,
    GrantQuery,
    MemberQuery,
    MemberRecord,
    Receipt,
    Relation,
    ResourceQuery,
    ResourceRecord,
    TenantQuery,
    TenantRecord,
    TenantSize,
)
from sidegate.usage import QuotaTotal, UsageQuery


class Program(Protocol):
    """A compiled model with its rows. It never changes; any number of threads may evaluate it."""

    def evaluate(self, request: Sequence[object], links: RoleLinks = NO_LINKS) -> Answer:
        """Decide one request, whose values stand in the order of the request definition.

        `links` are links of `g` that only this evaluation sees. Memory only, no clock, starts at deny.

        Raises:
            RequestError: the request does not fit the request definition.
            EvaluationError: the matcher or a condition that it reached can't be evaluated.
        """
        ...

    def rows(self) -> Iterable[Row]:
        """Return every row, whatever their order."""
        ...

    def with_rows(self, added: Iterable[Row] = (), removed: Iterable[Row] = ()) -> Program:
        """Return a program with `removed` taken out and `added` appended; this one stays as it is.

        Raises:
            RowError: an added row is wrong, or a removed row is not there.
        """
        ...


class Engine(Protocol):
    """Compiles Casbin models and rows into programs that decide as a fresh Casbin enforcer does."""

    @property
    def name(self) -> str:
        """The name by which settings choose this engine."""
        ...

    def compile(
        self,
        model_text: str,
        rows: Iterable[Row],
        *,
        functions: Mapping[str, MatchFunction] | None = None,
        role_match: Mapping[str, str] | None = None,
        domain_match: Mapping[str, str] | None = None,
    ) -> Program:
        """Compile; `role_match` and `domain_match` map a role section (`g`) to a built-in matching function.

        Raises:
            ModelError: the model is wrong.
            RowError: a row is wrong.
        """
        ...


class Decider(Protocol):
    """One step on the way of a Check; each step wraps the next, their order stands in `bootstrap`."""

    async def decide(self, request: Request) -> Decision:
        """Answer a request.

        Raises:
            InvalidInput: the request is wrong.
            Unavailable: could not decide now.
            EngineError: a rule could not be evaluated; the caller treats it as a deny.
        """
        ...


class RevisionReader(Protocol):
    """Tells which revisions there are and were."""

    async def revision(self, tenant: str, number: int) -> Revision | None:
        """Return the revision that bears a number in a tenant's history, also of one that is gone; None for none.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        ...


class FactsReader(RevisionReader, Protocol):
    """Reads facts on first touch."""

    async def standing(self, tenant: str) -> tuple[str, Revision] | None:
        """Return a tenant's pack and revision, None where there is no such tenant.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        ...

    async def load_core(self, tenant: str, scope_types: frozenset[str]) -> tuple[TenantFacts, Revision] | None:
        """Return a tenant's facts without its resources, with only the grants on scopes of `scope_types`.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        ...

    async def load_resource(
        self, tenant: str, reference: str
    ) -> tuple[StoredResource | None, Sequence[Grant], Revision]:
        """Return one resource, the grants on it, and the tenant's revision, from one consistent view.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        ...


class FactsStore(FactsReader, Protocol):
    """Keeps the facts durably: current state, the changes that led there, and a revision per tenant."""

    async def tenants(self) -> Sequence[str]:
        """Return the IDs of all tenants, sorted."""
        ...

    async def load(self, tenant: str) -> tuple[TenantFacts, Revision] | None:
        """Return all facts of a tenant with their revision, from one consistent view; None where unknown.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        ...

    async def write(
        self,
        changes: Mapping[str, Sequence[Change]],
        *,
        expected: Mapping[str, int],
        actor: str,
        receipt: Receipt | None = None,
    ) -> Mapping[str, Revision]:
        """Write the changes of one or several tenants, all or nothing; return each one's new revision.

        A tenant without changes keeps its revision and is not in the answer. `expected` holds the number of the
        revision from which each tenant's changes were computed, 0 for a tenant that is not there yet; a tenant without
        changes may stand there too, so that the write depends on what was read of it. Changes hold in their order;
        removing a tenant (`after` None) removes all of it but its changes, and its revisions are never used again.
        Each revision of a tenant is later than the one before, whatever clocks say.
        `receipt` is kept with each changed tenant for at least a day.

        Raises:
            InvalidInput: the changes don't fit together, or hold what can't be stored; nothing was written.
            RevisionConflict: a tenant is at another revision than expected; nothing was written.
            StoreUnavailable: the store does not answer; nothing was written.
        """
        ...

    async def changes_after(self, sequence: int, *, limit: int) -> Sequence[RecordedChange]:
        """Return up to `limit` changes with a greater sequence, in order, over all tenants.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        ...

    async def feed(self, sequence: int, *, limit: int) -> tuple[int, Sequence[RecordedChange]]:
        """Return the newest sequence, and up to `limit` changes from `sequence` on, in order, from one consistent view.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        ...

    async def head(self) -> int:
        """Return the sequence of the newest change, 0 where there is none.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        ...

    async def secret(self, name: str) -> bytes:
        """Return random bytes, 32, made with the first call and the same for everyone who asks this store by the name.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        ...

    async def close(self) -> None:
        """Release all connections."""
        ...


class MembershipStore(FactsStore, Protocol):
    """Reads what one step of the membership needs, never a whole tenant.

    Each read comes from one consistent view and tells the tenant's revision, NO_REVISION where there is no such tenant.
    All raise StoreUnavailable where the store does not answer.
    """

    async def entries(self, tenant: str, keys: Iterable[EntryKey]) -> tuple[Mapping[EntryKey, Payload], Revision]:
        """Return those of the entries that are there."""
        ...

    async def related(
        self, tenant: str, relation: Relation, values: Iterable[str]
    ) -> tuple[Mapping[EntryKey, Payload], Revision]:
        """Return the entries that stand in a relation to any of the values."""
        ...

    async def seats(self, tenant: str) -> tuple[int, Revision]:
        """Return how many members take a seat: the active and the invited ones."""
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
        self, tenant: str, entity: Entity, *, after: str, limit: int
    ) -> tuple[Mapping[EntryKey, Payload], Revision]:
        """Return up to `limit` groups or roles whose ID is greater than `after`, by ID."""
        ...

    async def resource_page(
        self, tenant: str, query: ResourceQuery, *, after: str, limit: int
    ) -> tuple[Sequence[ResourceRecord], Revision]:
        """Return up to `limit` resources that the query asks for and that come after a reference, by type and ID."""
        ...

    async def counts(self, tenant: str, parent: str) -> tuple[Mapping[str, int], Revision]:
        """Return how many resources of each type stand in a parent themselves."""
        ...

    async def grant_page(
        self, tenant: str, query: GrantQuery, *, after: Grant | None, limit: int
    ) -> tuple[Sequence[Grant], Revision]:
        """Return up to `limit` grants that the query asks for and that come after one, by role, scope and holder."""
        ...

    async def group_page(self, tenant: str, group: str, *, after: str, limit: int) -> tuple[Sequence[str], Revision]:
        """Return up to `limit` references of who stands in a group itself, after one: its groups, then its members."""
        ...

    async def record_access(self, tenant: str, member: str, at: datetime) -> bool:
        """Note when a member was seen, unless later is known; this is no change of the facts. False: no such member."""
        ...

    async def receipt(self, tenant: str, request_id: str) -> tuple[Receipt, Revision] | None:
        """Return what a request was answered, with the revision it made; None where nothing is kept of it."""
        ...


class HistoryStore(RevisionReader, Protocol):
    """Reads what was, also of tenants that are gone.

    All raise StoreUnavailable where the store does not answer.
    """

    async def history(self, tenant: str, query: ChangeQuery, *, after: int, limit: int) -> Sequence[RecordedChange]:
        """Return up to `limit` changes that the query asks for, in its order, beyond the sequence `after`.

        0 is before the first one, whichever way the order goes.
        """
        ...

    async def quota_totals(
        self, tenant: str, query: UsageQuery, *, after: tuple[date, str], limit: int
    ) -> tuple[Sequence[QuotaTotal], Revision]:
        """Return up to `limit` totals by period and holder, beyond a start and a holder; and the tenant's revision.

        A period has only what the query's days have of it, and is told only where something was used.
        """
        ...

    async def revision_at(self, tenant: str, at: datetime | None = None) -> int:
        """Return the number of the newest revision made until then, also if it removed the tenant; 0 for none."""
        ...

    async def load_at(self, tenant: str, number: int) -> TenantFacts | None:
        """Return the facts of a tenant as they were at a revision; None where it was not there."""
        ...

    async def tenants_ever(self) -> Sequence[str]:
        """Return the IDs of all tenants that are or were there, sorted."""
        ...


class Hints(Protocol):
    """Tells sidecars that something was written, best effort: who misses a hint only sees the write later."""

    def listen(self) -> AsyncGenerator[None]:
        """Yield whenever there may be something new, and whenever it begins to listen: hints until then were missed.

        Several hints may come as one. It connects anew by itself, with growing pauses, and never ends nor raises.
        """
        ...

    def publish(self) -> None:
        """Tell all who listen, without waiting for it and without raising."""
        ...

    @property
    def connected(self) -> bool:
        """Whether hints would be heard now."""
        ...

    async def close(self) -> None:
        """Release all connections."""
        ...


class Shelf(Protocol):
    """Keeps bytes by name on this machine; only what was put there by the same deployment ever comes back."""

    async def put(self, name: str, content: bytes) -> None:
        """Keep something by a name, whole or not at all.

        Raises:
            OSError: it can't be written.
        """
        ...

    async def get(self, name: str) -> bytes | None:
        """Return what is kept by a name; None where nothing is, or where it is cut, forged or another name's."""
        ...

    async def keep_only(self, names: Collection[str]) -> None:
        """Remove all that is kept by other names."""
        ...


class SharedCache(Protocol):
    """Remembers bytes for all sidecars on one database. It may forget at any time, and others may write to it, too."""

    async def get(self, key: bytes) -> bytes | None:
        """Return what is kept under a key; None where nothing is, or where that can't be told within the time given.

        It never raises, and it never takes longer than its time.
        """
        ...

    def put(self, key: bytes, value: bytes, *, seconds: float) -> None:
        """Keep a value for so long, beginning after this returns; where that is not to be done it is let go.

        It never raises, and it never waits.
        """
        ...

    async def close(self) -> None:
        """Release all connections."""
        ...
