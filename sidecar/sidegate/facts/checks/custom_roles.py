"""Roles that tenants make: their names, and the resource types of their permissions."""

from __future__ import annotations

from collections.abc import Iterator

from sidegate.documents.suggestions import listed, nearest, one_of
from sidegate.facts.checks.case import Case
from sidegate.facts.entry_fault import EntryFault
from sidegate.model.change import EntryKind
from sidegate.model.facts import CustomRole
from sidegate.policy.pack.schema import CustomRoles


def check_custom_roles(case: Case) -> Iterator[EntryFault]:
    """Yield what is wrong with a tenant's own roles (EL-01, EL-03)."""
    pack = case.schema.name
    for role in case.facts.roles.values():
        key = (role.name,)
        if case.schema.custom_roles is None:
            message = (
                f"pack `{pack}` allows no custom roles: use its built-in roles, {listed(sorted(case.schema.roles))}"
            )
            yield EntryFault(EntryKind.ROLE, key, message)
            continue
        if role.name in case.schema.roles:
            message = f"`{role.name}` is a built-in role of pack `{pack}`: expected a name of the tenant's own"
            yield EntryFault(EntryKind.ROLE, key, message)
        yield from _check_permissions(case, role, case.schema.custom_roles)


def _check_permissions(case: Case, role: CustomRole, rules: CustomRoles) -> Iterator[EntryFault]:
    for type_, actions in role.permissions.items():
        place = ("permissions", type_)
        declared = case.schema.resources.get(type_)
        if declared is None:
            hint = nearest(type_, rules.types)
            yield EntryFault(EntryKind.ROLE, (role.name,), f"unknown resource type `{type_}`: {hint}", place)
            continue
        if type_ not in rules.types:
            message = f"a custom role can't include `{type_}`: {one_of(rules.types)}"
            yield EntryFault(EntryKind.ROLE, (role.name,), message, place)
        for action in sorted(actions - {*declared.actions}):
            hint = nearest(action, declared.actions)
            message = f"unknown action `{action}` of `{type_}`: {hint}"
            yield EntryFault(EntryKind.ROLE, (role.name,), message, (*place, action))
