"""Grants: roles that the pack knows, on scopes that fit and are there, held by somebody, by as many as may."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sidegate.documents.suggestions import nearest, one_of
from sidegate.facts.checks.case import Case
from sidegate.facts.entry_fault import EntryFault
from sidegate.model.change import EntryKind
from sidegate.model.facts import Grant
from sidegate.model.reference import split_ref
from sidegate.policy.pack.schema import TENANT, Count, HeldBy, Role


def check_grants(case: Case) -> Iterator[EntryFault]:
    """Yield what is wrong with each grant by itself."""
    grantable = {name for name, role in case.schema.roles.items() if role.held_by is HeldBy.GRANT}
    grantable |= case.facts.roles.keys()
    for grant in case.grants:
        declared = case.schema.roles.get(grant.role)
        if grant.role in grantable:
            yield from _check_scope(case, grant, declared)
        elif declared is not None:
            who = (
                "the members of a group hold it" if declared.held_by is HeldBy.GROUP else "members hold it on their own"
            )
            message = f"role `{grant.role}` can't be granted, {who}: {one_of(grantable)}"
            yield _fault(grant, message, "role")
        else:
            hint = nearest(grant.role, grantable)
            yield _fault(grant, f"unknown role `{grant.role}` of pack `{case.schema.name}`: {hint}", "role")
        if absence := _missing_holder(case, grant.holder):
            yield _fault(grant, absence, "to")


def check_counts(case: Case) -> Iterator[EntryFault]:
    """Yield each holder beyond the first of a role that one may hold, in the order of the document."""
    first: dict[tuple[str, str], str] = {}
    for grant in case.grants:
        role = case.schema.roles.get(grant.role)
        if role is None or role.count is Count.ANY:
            continue
        if role.count is Count.EXACTLY_ONE and grant.scope == case.tenant and split_ref(grant.holder)[0] == "group":
            message = f"role `{role.name}` is held by exactly one member: `{grant.holder}` is a group"
            yield _fault(grant, message, "to")
        holder = first.setdefault((grant.role, grant.scope), grant.holder)
        if holder != grant.holder:
            many = "exactly one holder" if role.count is Count.EXACTLY_ONE else "at most one holder"
            scope = TENANT if grant.scope == case.tenant else grant.scope
            message = f"role `{role.name}` on `{scope}` is held by `{holder}` already: expected {many}"
            yield _fault(grant, message, "to")


def check_one_role(case: Case) -> Iterator[EntryFault]:
    """Yield each second role on the tenant of one member, where the pack lets a member hold one."""
    if not case.schema.one_role_per_member:
        return
    roles: defaultdict[str, str] = defaultdict(str)
    for grant in case.grants:
        if grant.scope != case.tenant:
            continue
        if split_ref(grant.holder)[0] == "group":
            # Its members would hold the group's role beside their own.
            message = f"in pack `{case.schema.name}` a member holds one role on the tenant: `{grant.holder}` is a group"
            yield _fault(grant, message, "to")
            continue
        role = roles.setdefault(grant.holder, grant.role)
        if role != grant.role:
            message = (
                f"`{grant.holder}` holds role `{role}` already, not `{grant.role}` too: expected one role a member"
            )
            yield _fault(grant, message, "role")


def _check_scope(case: Case, grant: Grant, declared: Role | None) -> Iterator[EntryFault]:
    # A custom role is a role on the tenant: its rows say so.
    on = frozenset({TENANT}) if declared is None else declared.on
    type_, _ = split_ref(grant.scope)
    if type_ not in on:
        scope = TENANT if grant.scope == case.tenant else grant.scope
        yield _fault(grant, f"role `{grant.role}` can't be held on `{scope}`: {_scopes(on)}", "on")
    elif type_ == TENANT and grant.scope != case.tenant:
        yield _fault(grant, f"`{grant.scope}` is another tenant: expected `tenant`, this one", "on")
    elif type_ != TENANT and (absence := case.absence(grant.scope)):
        yield _fault(grant, absence, "on")


def _scopes(types: frozenset[str]) -> str:
    return "expected " + " or ".join("`tenant`" if type_ == TENANT else f"`{type_}:…`" for type_ in sorted(types))


def _missing_holder(case: Case, holder: str) -> str | None:
    if split_ref(holder)[0] not in {"member", "group"}:
        return f"`{holder}` can't hold a role: expected `member:…` or `group:…`"
    return case.absence(holder)


def _fault(grant: Grant, message: str, detail: str) -> EntryFault:
    return EntryFault(EntryKind.GRANT, (grant.role, grant.scope, grant.holder), message, (detail,))
