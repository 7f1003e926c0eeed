"""Which roles on the tenant can be granted by an actor, and to which groups it can add members."""

from __future__ import annotations

from collections.abc import Collection

from sidegate.documents.suggestions import near, one_of
from sidegate.errors import InvalidInput, Violation
from sidegate.membership.command.context import CommandContext
from sidegate.model.change import EntryKind
from sidegate.model.page import Relation
from sidegate.model.reference import ref
from sidegate.policy.pack.schema import Count, Operation


async def require_grantable(context: CommandContext, role: str, *, field: str) -> None:
    """Require that a role on the tenant exists and can be granted, and that the actor has authority over it.

    Raises:
        InvalidInput: there is no such role (MS-01), or exactly one member holds it, so that it is delegated.
        NotPermitted: the actor has no authority over it.
    """
    schema = context.schema
    declared = schema.roles.get(role)
    if role not in schema.on_tenant and (declared or await context.draft.entry(EntryKind.ROLE, role) is None):
        known = [name for name in schema.on_tenant if schema.roles[name].count is not Count.EXACTLY_ONE]
        message = f"unknown role `{role}` on the tenant: {near(role, known, one_of(known))}"
        raise InvalidInput(Violation(field, message))
    if declared and declared.count is Count.EXACTLY_ONE:
        raise InvalidInput(
            Violation(field, f"role `{role}` is held by exactly one member: it is delegated, not granted")
        )
    await context.require_authority(role)


async def grant_roles(context: CommandContext, member: str, roles: Collection[str], *, field: str) -> None:
    """Draft the grants of roles on the tenant to a member that holds none yet.

    Raises:
        InvalidInput: a role can't be granted, or the pack lets a member hold one.
        NotPermitted: the actor has no authority over a role.
    """
    if len(set(roles)) > 1 and context.schema.one_role_per_member:
        message = f"in pack `{context.schema.name}` a member holds one role on the tenant: expected one"
        raise InvalidInput(Violation(field, message))
    for role in dict.fromkeys(roles):
        await require_grantable(context, role, field=field)
        key = (role, context.scope, ref("member", member))
        await context.draft.load([(EntryKind.GRANT, key)])
        context.draft.put(EntryKind.GRANT, *key, payload={})


async def require_over_group(context: CommandContext, group: str) -> None:
    """Require authority over each role on the tenant that members of a group hold through it.

    Raises:
        NotPermitted: the actor has no authority over one of them.
    """
    reference = ref("group", group)
    holders = {reference, *await context.groups_above(reference)}
    for _, (role, scope, _holder) in await context.draft.related(Relation.GRANTS_OF, *sorted(holders)):
        if scope == context.scope:
            await context.require_authority(role)


async def add_to_groups(context: CommandContext, member: str, groups: Collection[str], *, field: str) -> None:
    """Draft that a member belongs to groups, each of which the actor may change.

    Raises:
        InvalidInput: there is no such group.
        NotPermitted: the pack does not let the actor change a group.
    """
    for group in dict.fromkeys(groups):
        if await context.draft.entry(EntryKind.GROUP, group) is None:
            raise InvalidInput(Violation(field, f"there is no group `{group}`"))
        await context.ask(Operation.UPDATE_GROUP, group)
        await require_over_group(context, group)
        key = (group, ref("member", member))
        await context.draft.load([(EntryKind.GROUP_MEMBER, key)])
        context.draft.put(EntryKind.GROUP_MEMBER, *key, payload={})
