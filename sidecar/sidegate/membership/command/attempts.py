"""How steps begin, at one revision of their tenant, and begin again where another writer came first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Final, TypeVar

from sidegate.errors import RevisionConflict, Unavailable
from sidegate.membership.command.draft import Draft
from sidegate.membership.command.step import Caller, CommandContext
from sidegate.model.change import EntryKind
from sidegate.model.entry import EntryKey
from sidegate.policy.pack.schema import Schema
from sidegate.ports.decider import Decider
from sidegate.ports.membership_store import MembershipStore

T = TypeVar("T")
ATTEMPTS: Final = 16
"""How often a step starts over where other writers come first."""


class ContextFactory:
    """Begins the steps of all tenants, those that write and those that only look."""

    def __init__(self, store: MembershipStore, decider: Decider, schema_of: Callable[[str], Schema | None]) -> None:
        self.store = store
        self.schema_of = schema_of
        self._decider = decider

    async def begin(self, tenant: str, caller: Caller, *, needs: Iterable[EntryKey] = ()) -> CommandContext:
        """Return a step on a tenant as it is now, or as one that is not there; what it needs is read with the tenant.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        draft = Draft(self.store, tenant)
        await draft.load([(EntryKind.TENANT, ()), *needs])
        stored = await draft.entry(EntryKind.TENANT) or {}
        return CommandContext(draft, caller, lambda: self.schema(tenant, stored["pack"]), self._decider)

    def schema(self, tenant: str, pack: str) -> Schema:
        """Return the schema of the pack that a tenant names.

        Raises:
            Unavailable: it is not loaded here.
        """
        schema = self.schema_of(pack)
        if schema is None:
            raise Unavailable(f"tenant `{tenant}` names the pack `{pack}`, which is not loaded here")
        return schema


async def settled(attempt: Callable[[], Awaitable[T]], *, catch_up: Callable[[], Awaitable[None]]) -> T:
    """Return what an attempt comes to, the last of several where other writers come first.

    Decisions are made from memory, and count at the revision that is stored alone: where memory is behind, an attempt
    conflicts like one that others came before. So memory catches up between attempts, and not before the first.

    Raises:
        RevisionConflict: other writers came first again and again.
    """
    for _ in range(ATTEMPTS - 1):
        with suppress(RevisionConflict):
            return await attempt()
        await catch_up()
    return await attempt()
