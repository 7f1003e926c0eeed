"""Whether a tenant's facts may be stored: all that its pack demands, every fault at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from sidegate.documents.limits import MAX_FAULTS
from sidegate.errors import Fault
from sidegate.facts.checks.case import Case
from sidegate.facts.checks.custom_roles import check_custom_roles
from sidegate.facts.checks.grants import check_counts, check_grants, check_one_role
from sidegate.facts.checks.members import check_groups, check_members
from sidegate.facts.checks.resources import check_resources, check_settings
from sidegate.facts.document import FactsDocument
from sidegate.facts.entry_fault import EntryFault
from sidegate.model.change import EntryKind
from sidegate.model.facts import TenantFacts
from sidegate.model.reference import ref
from sidegate.policy.pack.schema import TENANT, Count, HeldBy, Role, Schema

CHECKS = (
    check_settings,
    check_members,
    check_groups,
    check_custom_roles,
    check_resources,
    check_grants,
    check_counts,
    check_one_role,
)


def check_facts(facts: TenantFacts, document: FactsDocument, schema: Schema) -> list[Fault]:
    """Return the faults of a tenant's facts by the schema of its pack, in the order of the document.

    Each check gives its first faults only: one fault can cost more than a thousand right entries.
    """
    case = Case(facts, schema, grants=[*document.grants(facts.id)])
    faults = (fault for check in CHECKS for fault in islice(check(case), MAX_FAULTS + 1))
    return _in_order(document.fault(facts.id, fault) for fault in faults)


def check_handover(old: TenantFacts, new: TenantFacts, *, document: FactsDocument, schema: Schema) -> list[Fault]:
    """Return a fault for each role that one member must hold, that somebody held, and that nobody would hold now."""
    faults = []
    for role in _must_be_held(schema, TENANT):
        former = _holder(old, role)
        if former and not _holder(new, role):
            message = f"nobody would hold role `{role.name}` of `{former}`: expected exactly one member that holds it"
            faults.append(document.fault(new.id, EntryFault(EntryKind.TENANT, (), message)))
    return faults


def vacancies(facts: TenantFacts, schema: Schema) -> tuple[str, ...]:
    """Return a warning for each role that must be held by exactly one and that nobody holds yet."""
    return (*_tenant_vacancies(facts, schema), *_resource_vacancies(facts, schema))


def _tenant_vacancies(facts: TenantFacts, schema: Schema) -> Iterator[str]:
    for role in _must_be_held(schema, TENANT):
        if not _holder(facts, role):
            yield f"nobody holds role `{role.name}` on the tenant yet, which exactly one member should hold"


def _resource_vacancies(facts: TenantFacts, schema: Schema) -> Iterator[str]:
    held = {(grant.role, grant.scope) for grant in facts.grants}
    for type_ in sorted({resource.type for resource in facts.resources.values()}):
        for role in _must_be_held(schema, type_):
            vacant = [
                reference
                for reference, resource in sorted(facts.resources.items())
                if resource.type == type_ and (role.name, reference) not in held
            ]
            if vacant:
                others = f" and {len(vacant) - 1} more of type `{type_}`" if len(vacant) > 1 else ""
                yield f"nobody holds role `{role.name}` on `{vacant[0]}`{others} yet, which exactly one should hold"


def _must_be_held(schema: Schema, type_: str) -> Iterable[Role]:
    for _, role in sorted(schema.roles.items()):
        if role.count is Count.EXACTLY_ONE and role.held_by is HeldBy.GRANT and type_ in role.on:
            yield role


def _holder(facts: TenantFacts, role: Role) -> str | None:
    scope = ref(TENANT, facts.id)
    holders = (grant.holder for grant in facts.grants if grant.role == role.name and grant.scope == scope)
    return min(holders, default=None)


def _in_order(faults: Iterable[Fault]) -> list[Fault]:
    return sorted(faults, key=lambda fault: (fault.line, fault.key, fault.message))
