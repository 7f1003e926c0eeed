"""The port of the store of facts: read on first use, written all or nothing, followed by its feed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sidegate.model.change import Change, Receipt, RecordedChange
from sidegate.model.facts import Grant, StoredResource, TenantFacts
from sidegate.model.revision import Revision


class RevisionReader(Protocol):
    """Looks up the current and past revisions."""

    async def revision(self, tenant: str, number: int) -> Revision | None:
        """Return the revision of a number in a tenant's history, also of a deleted tenant; None if there is none.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        ...


class FactsReader(RevisionReader, Protocol):
    """Reads facts on first use."""

    async def tenant_head(self, tenant: str) -> tuple[str, Revision] | None:
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

    async def load_resources(
        self, tenant: str, references: Collection[str]
    ) -> tuple[Mapping[str, StoredResource], Sequence[Grant], Revision]:
        """Return any number of resources with all their ancestors, by reference, from one consistent view.

        What is not registered is left out. The grants are those on `references`, not on their ancestors.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        ...


class WriteTurns(Protocol):
    """Lets another process write to the same store on behalf of this one."""

    def write_turn(self) -> AbstractAsyncContextManager[None]:
        """Wait for a turn to write, and hold it meanwhile; then hints are sent as after a write."""
        ...


class FactsWriter(Protocol):
    """Reads and writes whole tenants."""

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
        caller: str = "",
        receipt: Receipt | None = None,
    ) -> Mapping[str, Revision]:
        """Write the changes of one or several tenants, all or nothing; return each one's new revision.

        A tenant without changes keeps its revision and is not in the answer. `expected` holds the number of the
        revision from which each tenant's changes were computed, 0 for a tenant that is not there yet; a tenant without
        changes may be listed there too, so that the write depends on what was read of it. Changes are applied in
        their order; removing a tenant (`after` None) removes all of it but its changes, and its revisions are never
        used again. Each revision of a tenant has a later time than the one before, even if the clock goes back.
        The history shows `actor`, in whose name the changes are written, and `caller`, who wrote them. `receipt` is
        stored with each changed tenant for at least a day.

        Raises:
            InvalidInput: the changes don't fit together, or hold what can't be stored; nothing was written.
            RevisionConflict: a tenant is at another revision than expected; nothing was written.
            SchemaChanged: another version changed the schema of the store; nothing was written.
            StoreUnavailable: the store does not answer; nothing was written.
        """
        ...


class FactsStore(FactsReader, FactsWriter, WriteTurns, Protocol):
    """Stores the facts durably: current state, the changes that led there, and a revision per tenant."""

    async def changes_after(self, sequence: int, *, limit: int) -> Sequence[RecordedChange]:
        """Return up to `limit` changes with a greater sequence, in order, over all tenants.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        ...

    async def feed(self, sequence: int, *, limit: int) -> tuple[int, Sequence[RecordedChange]]:
        """Return the newest sequence, and up to `limit` changes from `sequence` on, in order, from one consistent view.

        Raises:
            SchemaChanged: another version changed the schema of the store.
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
        """Return 32 random bytes, created by the first call; every caller gets the same ones for a name of this store.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        ...

    async def close(self) -> None:
        """Release all connections."""
        ...
