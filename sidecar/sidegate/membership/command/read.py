"""The one path of every read by an actor: ask the pack and read at one revision, again if a writer came between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sidegate.errors import NotPermitted
from sidegate.membership.command.call import Call
from sidegate.membership.command.context import CommandContext
from sidegate.membership.command.context_factory import ContextFactory
from sidegate.membership.command.retry import retry_on_conflict
from sidegate.model.change import EntryKind
from sidegate.model.decision import Reason
from sidegate.model.reference import split_ref
from sidegate.policy.pack.schema import Operation
from sidegate.replica.follower import Follower

T = TypeVar("T")


class ReadRunner:
    """Lets an actor read a tenant, as far as the tenant's own pack allows it.

    The decision and everything returned belong to one revision. A actor that is not a member learns nothing, not even
    whether the tenant exists; what a member may not see is refused in the same words whether it exists or not.
    """

    def __init__(self, contexts: ContextFactory, follower: Follower) -> None:
        self._contexts = contexts
        self._follower = follower

    def __repr__(self) -> str:
        return f"ReadRunner({self._follower!r})"

    async def run(self, tenant: str, call: Call, read: Callable[[CommandContext], Awaitable[T]]) -> T:
        """Return what `read` returns; it asks first, then reads in its context's draft, and drafts nothing.

        Raises:
            NotPermitted: the tenant's pack denies it, or the actor is not a member.
            NotFound: what is asked for is not there.
            RevisionConflict: writers came between again and again.
            Unavailable: could not decide or read now.
        """

        async def attempt() -> T:
            context = await self._contexts.begin(tenant, call)
            await _require_member(context)
            if call.for_report and not call.is_platform:
                await context.ask(Operation.EXPORT_REPORT)
            return await read(context)

        return await retry_on_conflict(attempt, catch_up=self._follower.catch_up)


async def _require_member(context: CommandContext) -> None:
    """Refuse a actor that is not a member in the same words whether the tenant exists or not."""
    if context.call.is_platform:
        return
    _, member = split_ref(context.call.actor)
    if await context.draft.entry(EntryKind.MEMBER, member) is None:
        message = f"`{context.call.actor}` is not a member of a tenant `{context.tenant}`"
        raise NotPermitted(message, why=Reason.NOT_A_MEMBER)
