"""The one way of every command: ask, read, check and write at one revision, again where another writer came first."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from sidegate.entries import is_suspended
from sidegate.errors import InvalidInput, NotFound, RevisionConflict, TenantSuspended, Unavailable, Violation
from sidegate.membership.draft import Draft
from sidegate.membership.follower import Follower
from sidegate.membership.invariants import read_references, require_sound
from sidegate.membership.step import Caller, Step
from sidegate.model import Entity, Receipt
from sidegate.policy.schema import Schema
from sidegate.ports import Decider, MembershipStore

T = TypeVar("T")
ATTEMPTS: Final = 16
"""How often a command starts over where other writers come first."""


@dataclass(frozen=True, slots=True)
class Written:
    """How a command ended: the response as it was written, and the tenant's revision that it made or found."""

    response: bytes
    revision: int


class Commander:
    """Performs commands, one at a time per tenant in this sidecar; the store tells apart those of several.

    The decision, all reads and the write belong to one revision of the tenant, and the write holds only if the tenant
    is still at it. So commands end as if they had come one after the other, on any database.
    """

    def __init__(
        self,
        store: MembershipStore,
        decider: Decider,
        follower: Follower,
        schema_of: Callable[[str], Schema | None],
    ) -> None:
        self.store = store
        self.schema_of = schema_of
        self._decider = decider
        self._follower = follower
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def schema(self, tenant: str) -> Schema:
        """Return the schema of a tenant's pack.

        Raises:
            NotFound: there is no such tenant.
            Unavailable: its pack is not loaded here.
        """
        found, _ = await self.store.entries(tenant, [(Entity.TENANT, ())])
        if not found:
            raise NotFound(f"there is no tenant `{tenant}`")
        return self._schema(tenant, str(found[Entity.TENANT, ()]["pack"]))

    async def perform(
        self,
        tenant: str,
        caller: Caller,
        *,
        plan: Callable[[Step], Awaitable[T]],
        respond: Callable[[T], bytes],
    ) -> Written:
        """Plan and write; a request that was performed before is answered as it was then.

        Raises:
            InvalidInput: the request is wrong, or its ID was used for another one.
            NotPermitted: the tenant's pack denies it.
            NotFound: what it names is not there.
            TenantSuspended: a member writes in a suspended tenant.
            NotPossible: the state of the tenant stands against it.
            RevisionConflict: other writers came first again and again.
            Unavailable: could not decide or write now.
        """
        lock = self._locks.setdefault(tenant, asyncio.Lock())
        async with lock:
            for _ in range(ATTEMPTS - 1):
                with suppress(RevisionConflict):
                    return await self._attempt(tenant, caller, plan=plan, respond=respond)
            return await self._attempt(tenant, caller, plan=plan, respond=respond)

    async def _attempt(
        self,
        tenant: str,
        caller: Caller,
        *,
        plan: Callable[[Step], Awaitable[T]],
        respond: Callable[[T], bytes],
    ) -> Written:
        if known := await self._answered(tenant, caller):
            return known
        await self._follower.catch_up()
        draft = Draft(self.store, tenant)
        stored = await draft.entry(Entity.TENANT)
        if stored is not None and is_suspended(stored) and not caller.is_platform:
            raise TenantSuspended(f"the tenant `{tenant}` is suspended: until it is resumed, only the platform writes")
        schema = None if stored is None else self._schema(tenant, stored["pack"])
        response = respond(await plan(Step(draft, caller, schema, self._decider)))
        changes = draft.changes()
        if not changes:
            return Written(response, draft.revision)
        current = await draft.entry(Entity.TENANT)
        if current is not None:
            await read_references(draft, changes)
            require_sound(draft, changes, self._schema(tenant, current["pack"]))
        if caller.validate_only:
            return Written(response, 0)
        receipt = Receipt(caller.request_id, caller.digest, response) if caller.request_id else None
        revisions = await self.store.write(
            {tenant: changes}, expected={tenant: draft.revision}, actor=caller.actor, receipt=receipt
        )
        with suppress(Unavailable):  # it is written; until the next look the staleness bound holds
            await self._follower.catch_up()
        return Written(response, revisions[tenant])

    async def _answered(self, tenant: str, caller: Caller) -> Written | None:
        known = await self.store.receipt(tenant, caller.request_id) if caller.request_id else None
        if known is None:
            return None
        receipt, revision = known
        if not hmac.compare_digest(receipt.digest, caller.digest):
            message = f"`{caller.request_id}` was used for another request: expected a new one, or the same content"
            raise InvalidInput(Violation("request_id", message))
        return Written(receipt.response, revision)

    def _schema(self, tenant: str, pack: str) -> Schema:
        schema = self.schema_of(pack)
        if schema is None:
            raise Unavailable(f"tenant `{tenant}` names the pack `{pack}`, which is not loaded here")
        return schema
