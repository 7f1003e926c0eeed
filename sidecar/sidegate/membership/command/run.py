"""The one path of every command: ask, read, check and write at one revision, again if another writer came first."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar
from weakref import WeakValueDictionary

from sidegate.errors import InvalidInput, TenantSuspended, Unavailable, Violation
from sidegate.membership.command.call import Call
from sidegate.membership.command.context import CommandContext
from sidegate.membership.command.context_factory import ContextFactory
from sidegate.membership.command.invariants import read_references, require_valid
from sidegate.membership.command.request_fields import FieldOf, fixed
from sidegate.membership.command.retry import retry_on_conflict
from sidegate.model.change import EntryKind, Receipt
from sidegate.model.entry import EntryKey, is_suspended
from sidegate.model.revision import NO_REVISION, Revision
from sidegate.policy.pack.schema import Schema
from sidegate.ports.membership_store import MembershipStore
from sidegate.replica.follower import Follower

T = TypeVar("T")
_BY_NAME: Final = fixed("name")
"""Most requests draft only what they name."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a plan returned, and the tenant's revision that the command made or found."""

    value: T
    revision: Revision


@dataclass(frozen=True, slots=True)
class Replayed:
    """The stored response of a request that was performed before, and the revision that it made."""

    response: bytes
    revision: Revision


Written: TypeAlias = Outcome[T] | Replayed
"""How a command ended."""


class CommandRunner:
    """Performs commands, one at a time per tenant in this sidecar; the store orders those of several sidecars.

    The decision, all reads and the write belong to one revision of the tenant, and the write succeeds only if the
    tenant is still at it. So commands have the same results as if they had run one after the other, on any database.
    """

    def __init__(self, contexts: ContextFactory, follower: Follower) -> None:
        self._contexts = contexts
        self._follower = follower
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def store(self) -> MembershipStore:
        """The store that is written to."""
        return self._contexts.store

    def schema_of(self, pack: str) -> Schema | None:
        """Return the schema of a pack, None where it is not loaded here."""
        return self._contexts.schema_of(pack)

    async def run(
        self,
        tenant: str,
        call: Call,
        *,
        plan: Callable[[CommandContext], Awaitable[T]],
        needs: Sequence[EntryKey] = (),
        field_of: FieldOf = _BY_NAME,
    ) -> Written[T]:
        """Plan and write; a request that was performed before gets its first response.

        `needs` are entries that the plan is known to read: they are read together with the tenant itself. `field_of`
        names the request's field that an entry comes from.

        Raises:
            InvalidInput: the request is wrong, or its ID was used for another one.
            NotPermitted: the tenant's pack denies it.
            NotFound: what it names is not there.
            TenantSuspended: a member writes in a suspended tenant.
            NotPossible: the state of the tenant does not allow it.
            RevisionConflict: other writers came first again and again.
            Unavailable: could not decide or write now.
        """
        lock = self._locks.setdefault(tenant, asyncio.Lock())
        async with lock:
            return await retry_on_conflict(
                lambda: self._attempt(tenant, call, plan=plan, needs=needs, field_of=field_of),
                catch_up=self._follower.catch_up,
            )

    async def _attempt(
        self,
        tenant: str,
        call: Call,
        *,
        plan: Callable[[CommandContext], Awaitable[T]],
        needs: Sequence[EntryKey],
        field_of: FieldOf,
    ) -> Written[T]:
        if known := await self._answered(tenant, call):
            return known
        context = await self._contexts.begin(tenant, call, needs=needs)
        draft = context.draft
        stored = await draft.entry(EntryKind.TENANT)
        if stored is not None and is_suspended(stored) and not call.is_platform:
            raise TenantSuspended(f"the tenant `{tenant}` is suspended: until it is resumed, only the platform writes")
        value = await plan(context)
        response = call.encode(value)
        changes = draft.changes()
        if not changes:
            return Outcome(value, draft.revision)
        current = await draft.entry(EntryKind.TENANT)
        if current is not None:
            schema = self._contexts.schema(tenant, current["pack"])
            await read_references(draft, changes, schema)
            require_valid(draft, changes, schema, field_of=field_of)
        if call.validate_only:
            return Outcome(value, NO_REVISION)
        receipt = Receipt(call.request_id, call.digest, response) if call.request_id else None
        revisions = await self.store.write(
            {tenant: changes},
            expected={tenant: draft.revision.number},
            actor=call.actor,
            caller=call.caller,
            receipt=receipt,
        )
        with suppress(Unavailable):  # it is written; until the next poll the staleness bound applies
            await self._follower.catch_up()
        return Outcome(value, revisions[tenant])

    async def _answered(self, tenant: str, call: Call) -> Replayed | None:
        known = await self.store.receipt(tenant, call.request_id) if call.request_id else None
        if known is None:
            return None
        receipt, revision = known
        if not hmac.compare_digest(receipt.digest, call.digest):
            message = f"`{call.request_id}` was used for another request: expected a new one, or the same content"
            raise InvalidInput(Violation("request_id", message))
        return Replayed(receipt.response, revision)
