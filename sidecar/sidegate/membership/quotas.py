"""Quota: what each member may still send, allocated evenly or set by hand, consumed and released (MS-03, MS-08)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from sidegate.errors import InvalidInput, NotPermitted, QuotaExhausted, Violation, WrongState
from sidegate.membership.command.call import Call
from sidegate.membership.command.context import CommandContext
from sidegate.membership.command.members import member_of, put_member
from sidegate.membership.command.request_fields import fixed
from sidegate.membership.command.run import CommandRunner, Written
from sidegate.model.change import Cause, EntryKind
from sidegate.model.facts import MemberStatus
from sidegate.policy.pack.schema import Operation

MAX_QUOTA: Final = 2**53
"""The largest whole number that every client can read exactly."""


@dataclass(frozen=True, slots=True)
class QuotaAllocation:
    """How a quota was shared: each of the members has `share`, and the first `remainder` by ID one more."""

    members: int
    share: int
    remainder: int


class Quotas:
    """The use cases of quota."""

    def __init__(self, commands: CommandRunner) -> None:
        self._commands = commands

    async def assign(self, tenant: str, member: str, quota: int, call: Call) -> Written[int]:
        """Set what one member has left (MS-03).

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such member.
        """
        _require_amount(quota, "quota", least=0)

        async def plan(context: CommandContext) -> int:
            await context.ask(Operation.ASSIGN_QUOTA, member)
            put_member(context, replace(await member_of(context, member), quota=quota))
            return quota

        return await self._commands.run(tenant, call, plan=plan)

    async def allocate(self, tenant: str, total: int, call: Call) -> Written[QuotaAllocation]:
        """Share a quota evenly among all active members, in one transaction (MS-08).

        Raises:
            NotPermitted: the pack denies it.
            WrongState: no member is active.
        """
        _require_amount(total, "total", least=0)

        async def plan(context: CommandContext) -> QuotaAllocation:
            await context.ask(Operation.ASSIGN_QUOTA)
            members = await context.draft.members_in(MemberStatus.ACTIVE)
            if not members:
                raise WrongState("no member is active: expected one to share the quota")
            share, remainder = divmod(total, len(members))
            for position, member in enumerate(members):
                put_member(context, replace(member, quota=share + (position < remainder)))
            return QuotaAllocation(len(members), share, remainder)

        return await self._commands.run(tenant, call, plan=plan, field_of=fixed("parent"))

    async def consume(self, tenant: str, member: str, amount: int, call: Call) -> Written[int]:
        """Consume from what a member has left, never below zero (MS-08).

        No pack lets a member do it: the application consumes quota when it sends for a member. A member that could
        consume or release quota by itself would meter itself.

        Raises:
            NotPermitted: the actor is not the platform.
            NotFound: there is no such member.
            WrongState: the member is not active.
            QuotaExhausted: less is left.
        """
        _require_amount(amount, "amount", least=1)

        async def plan(context: CommandContext) -> int:
            _require_platform(context)
            stored = await member_of(context, member)
            if stored.status is not MemberStatus.ACTIVE:
                raise WrongState(f"member `{member}` is {stored.status.value}: expected an active one")
            left = (stored.quota or 0) - amount
            if left < 0:
                raise QuotaExhausted(f"member `{member}` has {stored.quota or 0} left, and {amount} are needed")
            put_member(context, replace(stored, quota=left))
            context.draft.set_cause(EntryKind.MEMBER, member, cause=Cause.CONSUMED)
            return left

        return await self._commands.run(tenant, call, plan=plan)

    async def release(self, tenant: str, member: str, amount: int, call: Call) -> Written[int]:
        """Release what was consumed (MS-08).

        Raises:
            NotPermitted: the actor is not the platform.
            NotFound: there is no such member.
        """
        _require_amount(amount, "amount", least=1)

        async def plan(context: CommandContext) -> int:
            _require_platform(context)
            stored = await member_of(context, member)
            quota = (stored.quota or 0) + amount
            _require_amount(quota, "amount", least=0)
            put_member(context, replace(stored, quota=quota))
            context.draft.set_cause(EntryKind.MEMBER, member, cause=Cause.RELEASED)
            return quota

        return await self._commands.run(tenant, call, plan=plan)


def _require_platform(context: CommandContext) -> None:
    if not context.call.is_platform:
        raise NotPermitted("only the platform consumes and releases quota", why="no_operation")


def _require_amount(amount: int, field: str, *, least: int) -> None:
    if not least <= amount <= MAX_QUOTA:
        raise InvalidInput(Violation(field, f"`{amount}` is not right: expected {least} to {MAX_QUOTA}"))
