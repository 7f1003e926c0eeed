"""How the contexts of commands and reads are made, each at one revision of its tenant."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sidegate.errors import Unavailable
from sidegate.membership.command.call import Call
from sidegate.membership.command.context import CommandContext
from sidegate.membership.command.draft import Draft
from sidegate.model.change import EntryKind
from sidegate.model.entry import EntryKey
from sidegate.policy.pack.schema import Schema
from sidegate.ports.decider import Decider
from sidegate.ports.membership_store import MembershipStore


class ContextFactory:
    """Makes the contexts of commands and reads in all tenants."""

    def __init__(self, store: MembershipStore, decider: Decider, schema_of: Callable[[str], Schema | None]) -> None:
        self.store = store
        self.schema_of = schema_of
        self._decider = decider

    async def begin(self, tenant: str, call: Call, *, needs: Iterable[EntryKey] = ()) -> CommandContext:
        """Return a context of a tenant at its current revision; `needs` are read together with the tenant.

        A tenant that does not exist has a context, too.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        draft = Draft(self.store, tenant)
        await draft.load([(EntryKind.TENANT, ()), *needs])
        stored = await draft.entry(EntryKind.TENANT) or {}
        return CommandContext(draft, call, lambda: self.schema(tenant, stored["pack"]), self._decider)

    def schema(self, tenant: str, pack: str) -> Schema:
        """Return the schema of the pack that a tenant names.

        Raises:
            Unavailable: it is not loaded here.
        """
        schema = self.schema_of(pack)
        if schema is None:
            raise Unavailable(f"tenant `{tenant}` names the pack `{pack}`, which is not loaded here")
        return schema
