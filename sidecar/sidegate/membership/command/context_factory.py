"""How steps begin, at one revision of their tenant, and begin again where another writer came first."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sidegate.errors import Unavailable
from sidegate.membership.command.caller import Caller
from sidegate.membership.command.context import CommandContext
from sidegate.membership.command.draft import Draft
from sidegate.model.change import EntryKind
from sidegate.model.entry import EntryKey
from sidegate.policy.pack.schema import Schema
from sidegate.ports.decider import Decider
from sidegate.ports.membership_store import MembershipStore


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
