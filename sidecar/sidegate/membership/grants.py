"""Grants on any scope, and the delegation of a role with one holder (EF-02, EF-03, EF-05, EF-08, EF-09, EF-14)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sidegate.errors import AlreadyExists, InvalidInput, NotFound, NotPermitted, Violation, WrongState
from sidegate.facts.entry_fault import EntryFault
from sidegate.membership.command.call import Call
from sidegate.membership.command.context import NO_AUTHORITY, CommandContext
from sidegate.membership.command.invariants import HOLDERS
from sidegate.membership.command.members import member_of
from sidegate.membership.command.read import ReadRunner
from sidegate.membership.command.run import CommandRunner, Written
from sidegate.membership.grant_rules import require_grantable
from sidegate.model.change import EntryKind
from sidegate.model.entry import EntryKey
from sidegate.model.facts import Grant, MemberStatus
from sidegate.model.page import GrantQuery, Relation
from sidegate.model.reference import ANY, ref, split_ref
from sidegate.policy.pack.schema import TENANT, Count, InstanceOf, Operation, Role

_HOLDERS: Mapping[str, InstanceOf] = {"member": InstanceOf.MEMBER, "group": InstanceOf.GROUP}


@dataclass(frozen=True, slots=True)
class Delegation:
    """The former and the present holder of a delegated role."""

    role: str
    former: str
    holder: str


class Grants:
    """The use cases of grants; a scope `tenant` is the tenant itself."""

    def __init__(self, commands: CommandRunner, reads: ReadRunner) -> None:
        self._commands = commands
        self._reads = reads

    async def list(
        self, tenant: str, query: GrantQuery, call: Call, *, after: Grant | None, limit: int
    ) -> Sequence[Grant]:
        """Return a page of grants, by role, scope and holder; an actor that may view a resource sees its grants.

        Members see what a holder has on documents only document by document, where the pack is asked about each.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant.
        """

        async def read(context: CommandContext) -> Sequence[Grant]:
            await _require_visible(context, query.relation, query.value)
            visible = query
            if query.relation is Relation.GRANTS_OF and not call.is_platform:
                visible = replace(query, scope_types=frozenset(context.schema.core_scopes))
            return await context.draft.read(lambda store: store.grant_page(tenant, visible, after=after, limit=limit))

        return await self._reads.run(tenant, call, read)

    async def grant(self, tenant: str, grant: Grant, call: Call) -> Written[Grant]:
        """Grant a role on a scope to a member or a group.

        Raises:
            NotPermitted: the pack denies it, or the actor has no authority over the role.
            AlreadyExists: the holder has it already.
            InvalidInput: role, scope or holder is not right, or too many would hold it.
        """

        async def plan(context: CommandContext) -> Grant:
            made = _with_full_scope(tenant, grant)
            await _require_may_grant(context, made)
            if made.scope == context.scope:
                await require_grantable(context, made.role, field="grant.role")
            if await context.draft.entry(EntryKind.GRANT, made.role, made.scope, made.holder) is not None:
                raise AlreadyExists(f"`{made.holder}` holds role `{made.role}` on `{grant.scope}` already")
            await _read_for_checks(context, made)
            context.draft.put(EntryKind.GRANT, made.role, made.scope, made.holder, payload={})
            return grant

        needs = _entries_of(tenant, grant)
        return await self._commands.run(tenant, call, plan=plan, needs=needs, field_of=_grant_field)

    async def revoke(self, tenant: str, grant: Grant, call: Call) -> Written[None]:
        """Revoke a role from a member or a group (EL-13).

        Raises:
            NotPermitted: the pack denies it, or the actor has no authority over the role.
            NotFound: the holder does not have it.
            LastHolder: exactly one must hold it.
        """

        async def plan(context: CommandContext) -> None:
            made = _with_full_scope(tenant, grant)
            await _require_may_grant(context, made)
            if made.scope == context.scope:
                await context.require_authority(made.role)
            if await context.draft.entry(EntryKind.GRANT, made.role, made.scope, made.holder) is None:
                raise NotFound(f"`{made.holder}` does not hold role `{made.role}` on `{grant.scope}`")
            context.draft.remove(EntryKind.GRANT, made.role, made.scope, made.holder)

        needs = _entries_of(tenant, grant)[:1]
        return await self._commands.run(tenant, call, plan=plan, needs=needs)

    async def delegate(self, tenant: str, role: str, to: str, call: Call) -> Written[Delegation]:
        """Delegate the role that exactly one member holds to another member, in one transaction (EF-02).

        Where the pack lets a member hold one role, the two exchange theirs.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such member.
            WrongState: the member is not active.
            InvalidInput: the role is no such role, or the member holds it already.
        """

        async def plan(context: CommandContext) -> Delegation:
            await context.ask(Operation.DELEGATE)
            declared = _delegable(context, role)
            if (await member_of(context, to)).status is not MemberStatus.ACTIVE:
                raise WrongState(f"member `{to}` is not active: expected one that can act now")
            holders = sorted(key[2] for _, key in await context.draft.related(Relation.GRANTS_AS, declared.name))
            if holders == [ref("member", to)]:
                raise InvalidInput(Violation("to", f"`{to}` holds role `{declared.name}` already"))
            former = holders[0] if holders else ""
            await _delegate_to(context, declared.name, former, ref("member", to))
            return Delegation(declared.name, split_ref(former)[1], to)

        return await self._commands.run(tenant, call, plan=plan, field_of=_delegate_field)


def _with_full_scope(tenant: str, grant: Grant) -> Grant:
    return replace(grant, scope=ref(TENANT, tenant)) if grant.scope == TENANT else grant


def _entries_of(tenant: str, grant: Grant) -> list[EntryKey]:
    """Return the entries that a grant refers to, the grant itself first."""
    made = _with_full_scope(tenant, grant)
    named: list[EntryKey] = [(EntryKind.GRANT, (made.role, made.scope, made.holder))]
    kind, holder = split_ref(made.holder)
    if kind in HOLDERS:
        named.append((HOLDERS[kind], (holder,)))
    if grant.scope != TENANT:
        named.append((EntryKind.RESOURCE, (made.scope,)))
    return named


async def _require_visible(context: CommandContext, relation: Relation, value: str) -> None:
    """Require that the actor may see the grants on a resource, of a holder, or of a role."""
    if relation is Relation.GRANTS_ON:
        await context.ask_view(value)
        return
    kind, holder = split_ref(value)
    of_holder = {_HOLDERS[kind]: holder} if kind in _HOLDERS else {}
    await context.ask_about(
        Operation.LIST_GRANTS, of_holder if relation is Relation.GRANTS_OF else {InstanceOf.ROLE: value}
    )


async def _require_may_grant(context: CommandContext, grant: Grant) -> None:
    """Require that the actor may grant and revoke this: by the operation on the tenant, else an action on the scope."""
    schema = context.schema
    if grant.scope == context.scope:
        kind, holder = split_ref(grant.holder)
        ids = {InstanceOf.ROLE: grant.role, InstanceOf.MEMBER: holder if kind == "member" else ANY}
        await context.ask_about(Operation.ASSIGN_ROLE, ids)
        return
    role = schema.roles.get(grant.role)
    if context.call.is_platform:
        return
    if role is None or not role.granted_with:
        message = f"only the platform grants and revokes role `{grant.role}` on `{grant.scope}`"
        raise NotPermitted(message, why=NO_AUTHORITY)
    await context.ask_action(role.granted_with, grant.scope)


async def _read_for_checks(context: CommandContext, grant: Grant) -> None:
    """Read the grants that the checks compare it with: on the tenant those of the holder, else those of the scope."""
    declared = context.schema.roles.get(grant.role)
    if grant.scope == context.scope:
        await context.draft.related(Relation.GRANTS_OF, grant.holder)
    elif declared is not None and declared.count is not Count.ANY:
        await context.draft.related(Relation.GRANTS_ON, grant.scope)


def _delegable(context: CommandContext, role: str) -> Role:
    name = role or context.schema.founder
    declared = context.schema.roles.get(name)
    if declared is None or declared.count is not Count.EXACTLY_ONE or name not in context.schema.on_tenant:
        raise InvalidInput(Violation("role", f"`{name}` is no role on the tenant that exactly one member holds"))
    return declared


async def _delegate_to(context: CommandContext, role: str, former: str, new_holder: str) -> None:
    own = [key for _, key in await context.draft.related(Relation.GRANTS_OF, new_holder) if key[1] == context.scope]
    keys = [
        (role, context.scope, former),
        (role, context.scope, new_holder),
        *((name, context.scope, former) for name, _, _ in own),
    ]
    await context.draft.load((EntryKind.GRANT, key) for key in keys)
    if former:
        context.draft.remove(EntryKind.GRANT, role, context.scope, former)
    if context.schema.one_role_per_member:
        for name, scope, _ in own:
            context.draft.remove(EntryKind.GRANT, name, scope, new_holder)
            if former:
                context.draft.put(EntryKind.GRANT, name, scope, former, payload={})
    context.draft.put(EntryKind.GRANT, role, context.scope, new_holder, payload={})


def _grant_field(fault: EntryFault) -> str:
    return {"role": "grant.role", "on": "grant.scope", "to": "grant.holder"}[fault.detail[0]]


def _delegate_field(fault: EntryFault) -> str:
    return "to" if fault.detail == ("to",) else "role"
