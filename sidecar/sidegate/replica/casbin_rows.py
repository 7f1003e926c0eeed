"""The Casbin rows that a tenant's facts give its program, entry by entry."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from sidegate.model.change import EntryKind
from sidegate.model.entry import Key, Payload
from sidegate.model.facts import CustomRole, TenantFacts
from sidegate.model.reference import EVERYWHERE, ref, split_ref
from sidegate.model.rules import Row
from sidegate.policy.pack.schema import TENANT, HeldBy, Schema


def tenant_rows(facts: TenantFacts, schema: Schema) -> Iterator[Row]:
    """Yield the rows of a tenant: grants, who is in which group, and the rules of its own roles."""
    for grant in facts.grants:
        yield "g", grant.holder, grant.role, grant.scope
    for group in facts.groups.values():
        yield from _group_rows(group.id, schema)
        for member in group.members:
            yield "g", member, ref("group", group.id), EVERYWHERE
    for role in sorted(facts.roles.values(), key=_name):
        yield from _role_rows(role.name, role.permissions, schema)


def entry_rows(
    entry: tuple[EntryKind, Key], payload: Payload | None, schema: Schema, core_scopes: Collection[str]
) -> Iterable[Row]:
    """Return the rows that one entry gives, of all those that `tenant_rows` yields; none for None."""
    entity, key = entry
    if payload is None:
        return ()
    match entity:
        case EntryKind.GRANT:
            role, scope, holder = key
            return [("g", holder, role, scope)] if split_ref(scope)[0] in core_scopes else ()
        case EntryKind.GROUP_MEMBER:
            group, holder = key
            return [("g", holder, ref("group", group), EVERYWHERE)]
        case EntryKind.GROUP:
            return _group_rows(key[0], schema)
        case EntryKind.ROLE:
            permissions: object = payload["permissions"]
            assert isinstance(permissions, dict)
            return _role_rows(key[0], permissions, schema)
        case _:
            return ()


def _group_rows(group: str, schema: Schema) -> Iterator[Row]:
    """Yield the roles that membership of a group itself gives."""
    reference = ref("group", group)
    for role in schema.roles.values():
        if role.held_by is HeldBy.GROUP:
            yield "g", reference, role.name, reference


def _role_rows(name: str, permissions: Mapping[str, Iterable[str]], schema: Schema) -> Iterator[Row]:
    """Yield the rules of a custom role: it allows exactly what it was given (EL-01)."""
    if schema.custom_roles is None:
        return
    for type_, actions in sorted(permissions.items()):
        for action in sorted(actions):
            yield "p", name, TENANT, type_, action, "True", "allow", schema.custom_roles.rule


def _name(role: CustomRole) -> str:
    return role.name
