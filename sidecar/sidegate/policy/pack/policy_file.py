"""What a pack's policy.csv may hold: the form of its rows, and their check against the schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sidegate.documents.suggestions import nearest
from sidegate.engine import NumberedRow
from sidegate.errors import Fault
from sidegate.policy.pack.condition_names import condition_names
from sidegate.policy.pack.conditions import condition_fault
from sidegate.policy.pack.model_file import POLICY
from sidegate.policy.pack.schema import TENANT, EnforcedBy, ResourceType, Schema

ANYONE: Final = "*"
"""The role that every active member of the tenant holds."""
_EFFECTS: Final = ("allow", "deny")


def form_faults(rows: Sequence[NumberedRow], file: str) -> Iterator[Fault]:
    """Yield what is wrong with the form of rows, which needs no schema."""
    if not rows:
        yield Fault(file, 0, "", "there is no row; an empty policy is refused, since Casbin could allow everything")
    for numbered in rows:
        section, *values = numbered.row
        if section != "p":
            message = f"a pack holds `p` rows only, not `{section}`; who holds which role is stored as facts"
            yield Fault(file, numbered.line, "", message)
        elif len(values) != len(POLICY):
            message = f"{len(values)} values; expected the {len(POLICY)} of `p, {', '.join(POLICY)}`"
            yield Fault(file, numbered.line, "", message)
        elif values[5] not in _EFFECTS:
            message = f"`{values[5]}` is not right: expected `allow` or `deny`"
            yield Fault(file, numbered.line, "eft", message)


def schema_faults(rows: Sequence[NumberedRow], schema: Schema, file: str) -> Iterator[Fault]:
    """Yield what is wrong with the well-formed rows for this schema."""
    for numbered in rows:
        if numbered.row[0] == "p" and len(numbered.row) == len(POLICY) + 1:
            for key, message in _row_faults(numbered.row, schema):
                yield Fault(file, numbered.line, key, message)


def unused_rules(rows: Iterable[NumberedRow], schema: Schema) -> Iterator[str]:
    """Yield the IDs of rules that rows should enforce and no row does."""
    used = {numbered.row[-1] for numbered in rows}
    if schema.custom_roles:
        used.add(schema.custom_roles.rule)
    for rule in schema.rules.values():
        if EnforcedBy.RULES in rule.enforced_by and rule.id not in used:
            yield rule.id


def matching_types(pattern: str, schema: Schema) -> tuple[ResourceType, ...]:
    """Return the resource types that the `type` of a row matches."""
    return tuple(type_ for name, type_ in schema.resources.items() if matches(name, pattern))


def matches(name: str, pattern: str) -> bool:
    """Return whether a name matches a row's pattern as Casbin's keyMatch does: the first `*` matches any ending."""
    head, star, _ = pattern.partition("*")
    return name.startswith(head) if star else name == pattern


def _row_faults(row: Sequence[str], schema: Schema) -> Iterator[tuple[str, str]]:
    _, role, scope, type_, act, cond, _, rule = row
    types = matching_types(type_, schema)
    yield from _role_faults(role, scope, schema)
    yield from _pattern_faults("type", type_, list(schema.resources))
    if types:
        yield from _pattern_faults("act", act, [action for found in types for action in found.actions])
        yield from _scope_faults(scope, types, schema)
        if message := condition_fault(cond, condition_names(schema, types)):
            yield "cond", message
    if rule not in schema.rules:
        yield "rule", f"`{rule}` is no rule: {nearest(rule, schema.rules)}"


def _role_faults(role: str, scope: str, schema: Schema) -> Iterator[tuple[str, str]]:
    declared = schema.roles.get(role)
    if role == ANYONE:
        if scope != TENANT:
            yield "scope", f"`{scope}` is not right: role `*` is every member of the tenant, on scope `{TENANT}`"
    elif declared is None:
        yield "role", f"`{role}` is no role: {nearest(role, [ANYONE, *schema.roles])}"
    elif scope not in declared.on:
        yield "scope", f"role `{role}` can't be held on `{scope}`: {nearest(scope, declared.on)}"


def _pattern_faults(key: str, pattern: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    if "*" in pattern[:-1]:
        yield key, f"`{pattern}` is not right: write `*` at the end only, since Casbin ignores what follows it"
    elif not any(matches(name, pattern) for name in names):
        yield key, f"`{pattern}` matches no {'action' if key == 'act' else key}: {nearest(pattern, set(names))}"


def _scope_faults(scope: str, types: Sequence[ResourceType], schema: Schema) -> Iterator[tuple[str, str]]:
    if scope != TENANT and not any(scope in schema.scopes_of(type_.name) for type_ in types):
        names = ", ".join(f"`{type_.name}`" for type_ in types)
        yield "scope", f"`{scope}` is neither {names} nor a parent of it; this row would never match"
