"""The Casbin rows that a tenant's facts give its program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sidegate.model import EVERYWHERE, CustomRole, Grant, Group, Row, TenantFacts, ref
from sidegate.policy.schema import TENANT, HeldBy, Schema


def tenant_rows(facts: TenantFacts, schema: Schema) -> Iterator[Row]:
    """Yield the rows of a tenant: grants, who is in which group, and the rules of its own roles."""
    yield from grant_rows(facts.grants)
    for group in facts.groups.values():
        yield from group_rows(group, schema)
    for role in facts.roles.values():
        yield from role_rows(role, schema)


def grant_rows(grants: Iterable[Grant]) -> Iterator[Row]:
    """Yield one `g` row per grant, in a stable order."""
    for grant in sorted(grants):
        yield "g", grant.holder, grant.role, grant.scope


def group_rows(group: Group, schema: Schema) -> Iterator[Row]:
    """Yield the links of a group: its members everywhere, and the roles that membership itself gives."""
    reference = ref("group", group.id)
    for member in sorted(group.members):
        yield "g", member, reference, EVERYWHERE
    for role in schema.roles.values():
        if role.held_by is HeldBy.GROUP:
            yield "g", reference, role.name, reference


def role_rows(role: CustomRole, schema: Schema) -> Iterator[Row]:
    """Yield the rules of a custom role: it allows exactly what it was given (EL-01)."""
    if schema.custom_roles is None:
        return
    for type_, actions in sorted(role.permissions.items()):
        for action in sorted(actions):
            yield "p", role.name, TENANT, type_, action, "True", "allow", schema.custom_roles.rule
