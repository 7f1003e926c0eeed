"""The one way of every read that names its actor: ask and look at one revision, again where a writer came between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sidegate.errors import NotPermitted
from sidegate.membership.command.caller import Caller
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
    """Lets an actor look at a tenant, as far as the tenant's own pack lets it.

    The decision and all that is told belong to one revision. Who is no member learns nothing, not even whether the
    tenant is there; what a member may not see is refused alike whether it is there or not.
    """

    def __init__(self, contexts: ContextFactory, follower: Follower) -> None:
        self._contexts = contexts
        self._follower = follower

    def __repr__(self) -> str:
        return f"ReadRunner({self._follower!r})"

    async def run(self, tenant: str, caller: Caller, look: Callable[[CommandContext], Awaitable[T]]) -> T:
        """Return what `look` tells; it asks first, then reads in its step's draft, and drafts nothing.

        Raises:
            NotPermitted: the tenant's pack denies it, or a stranger asks.
            NotFound: what is asked for is not there.
            RevisionConflict: writers came between again and again.
            Unavailable: could not decide or read now.
        """

        async def attempt() -> T:
            context = await self._contexts.begin(tenant, caller)
            await _require_no_stranger(context)
            if caller.for_report and not caller.is_platform:
                await context.ask(Operation.EXPORT_REPORT)
            return await look(context)

        return await retry_on_conflict(attempt, catch_up=self._follower.catch_up)


async def _require_no_stranger(context: CommandContext) -> None:
    """Refuse a stranger in the same words whether the tenant is there or not."""
    if context.caller.is_platform:
        return
    _, member = split_ref(context.caller.actor)
    if await context.draft.entry(EntryKind.MEMBER, member) is None:
        message = f"`{context.caller.actor}` is no member of a tenant `{context.tenant}`"
        raise NotPermitted(message, why=Reason.NOT_A_MEMBER)
