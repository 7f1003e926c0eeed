"""A pack's README, generated from the pack, so that what reviewers read is what decides.

`python -m sidegate.policy.describe.readme DIRECTORY…` writes it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from sidegate.policy.describe.matrix import Cells, Holder, Verdict, who_may
from sidegate.policy.describe.stock_casbin import stock_example
from sidegate.policy.pack.load import load_pack
from sidegate.policy.pack.policy_file import ANYONE
from sidegate.policy.pack.schema import (
    MEMBER_BUILT_IN,
    TENANT,
    Count,
    EnforcedBy,
    HeldBy,
    InstanceOf,
    Pack,
    Property,
    ResourceType,
    Role,
    Rule,
    Schema,
)

_DONE_WITH: Final[Mapping[str, str]] = {
    "viewed_with": "Viewed",
    "monitored_with": "Monitored, by activity and counts,",
    "cloned_with": "Cloned",
    "updated_with": "Its properties are set",
    "moved_with": "Moved",
    "deleted_with": "Deleted",
}
README: Final = "README.md"
_COUNTS: Final[Mapping[Count, str]] = {
    Count.ANY: "any number",
    Count.AT_MOST_ONE: "at most one",
    Count.EXACTLY_ONE: "exactly one",
}
_HELD_BY: Final[Mapping[HeldBy, str]] = {
    HeldBy.GRANT: "those it is granted to",
    HeldBy.GROUP: "the members of the group",
    HeldBy.MEMBER: "the member of the same ID",
}
_ENFORCED_BY: Final[Mapping[EnforcedBy, str]] = {
    EnforcedBy.RULES: "rows",
    EnforcedBy.MEMBERSHIP: "membership",
    EnforcedBy.STORE: "store",
}
_INSTANCES: Final[Mapping[InstanceOf, str]] = {
    InstanceOf.MEMBER: "There is one for each member.",
    InstanceOf.GROUP: "There is one for each group.",
    InstanceOf.ROLE: "There is one for each role.",
}
_NOTICE: Final = (
    "<!-- Made from pack.yaml and policy.csv by `python -m sidegate.policy.describe.readme`; change those instead. -->"
)
_LEGEND: Final = """\
A row is who asks, a column is the action, and a cell is the rule that decides: ✓ allows, ✗ denies, and an empty
cell is denied by default. Any ✗ that applies overrides every ✓; of several ✓ the last one in policy.csv names
the rule. A cell with (1), (2) … applies only under the condition of that number, listed below the table."""
_MEMBERSHIP: Final = """\
Before any row, these are denied, in this order: an unknown tenant, a suspended tenant, a subject that is not a
member, a pending member, an inactive member, an unknown resource type, an unknown action."""


def readme(pack: Pack) -> str:
    """Return the README of a pack, as Markdown."""
    sections = [
        [f"# {pack.schema.name}", "", _NOTICE, "", pack.schema.description],
        ["## Who may do what", "", _LEGEND, "", _MEMBERSHIP],
        *(list(_type_section(pack, type_)) for type_ in pack.schema.resources.values()),
        ["## Roles", "", *_roles(pack.schema)],
        ["## Membership", "", *_operations(pack.schema)],
        ["## Rules", "", *_rules(pack.schema.rules.values())],
        ["## Settings and properties", "", *_properties(pack.schema)],
        ["## Test it", "", *_testing()],
        ["## Open it in stock Casbin", "", *_stock(pack)],
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _type_section(pack: Pack, type_: ResourceType) -> Iterator[str]:
    yield f"### {type_.name}"
    yield ""
    if about := " ".join(_about(type_)):
        yield about
        yield ""
    holders = who_may(pack, type_)
    conditions = _conditions(holders.values())
    rows = [
        [_who(holder, type_.name, pack.schema), *(_cell(cells.get(action, ()), conditions) for action in type_.actions)]
        for holder, cells in holders.items()
    ]
    custom = pack.schema.custom_roles
    if custom and type_.name in custom.types:
        rows.append(["a role of the tenant's own", *(f"✓ {custom.rule} if given" for _ in type_.actions)])
    yield from _table(["who", *(f"`{action}`" for action in type_.actions)], rows)
    if conditions:
        yield ""
        yield from (f"{number}. if `{condition}`" for number, condition in enumerate(conditions, start=1))


def _about(type_: ResourceType) -> Iterator[str]:
    if type_.instances in _INSTANCES:
        yield _INSTANCES[type_.instances]
    if type_.parents:
        yield f"Parents: {', '.join(f'`{name}`' for name in sorted(type_.parents))}."
    if type_.registered_with:
        asked = (_asked(name, action, type_) for name, action in type_.registered_with.items())
        yield f"Registered by who is allowed {' or '.join(asked)}."
    for key, what in _DONE_WITH.items():
        if action := getattr(type_, key):
            besides = _besides(type_) if key == "moved_with" else ""
            yield f"{what} by who is allowed `{action}` on it{besides}."


def _asked(name: str, action: str, type_: ResourceType) -> str:
    return f"`{name}:{action}`" + ("" if name == type_.name else f" on the {name} it is made in")


def _besides(type_: ResourceType) -> str:
    """Return what a move needs on the new parent, in words."""
    asked = " or ".join(f"`{name}:{action}`" for name, action in type_.moved_into.items())
    return f" and, on the new parent, {asked}" if asked else ""


def _conditions(cells: Iterable[Cells]) -> list[str]:
    """Return the distinct conditions of a table, in the order in which a reader meets them."""
    verdicts = (verdict for by_action in cells for found in by_action.values() for verdict in found)
    return list(dict.fromkeys(verdict.condition for verdict in verdicts if verdict.condition))


def _cell(verdicts: Sequence[Verdict], conditions: Sequence[str]) -> str:
    shown = []
    for verdict in verdicts:
        note = f" ({conditions.index(verdict.condition) + 1})" if verdict.condition else ""
        shown.append(f"{'✓' if verdict.allow else '✗'} {verdict.rule}{note}")
    return "<br>".join(shown)


def _who(holder: Holder, type_: str, schema: Schema) -> str:
    """Return the holder of a row, in words."""
    if holder.role == ANYONE:
        return "every member"
    scope = f"the {holder.scope}" if holder.scope in (type_, TENANT) else f"the {holder.scope} it is in"
    match schema.roles[holder.role].held_by:
        case HeldBy.MEMBER:
            return (
                f"the member whose {type_} it is"
                if holder.scope == type_
                else f"the member whose {holder.scope} it is in"
            )
        case HeldBy.GROUP:
            return f"members of {scope}"
        case HeldBy.GRANT:
            return f"`{holder.role}` of {scope}"


def _roles(schema: Schema) -> Iterator[str]:
    def row(role: Role) -> list[str]:
        on = sorted(role.on, key=lambda name: (name != TENANT, name))
        count = _COUNTS[role.count] if role.held_by is HeldBy.GRANT else ""
        return [f"`{role.name}`", ", ".join(on), count, _HELD_BY[role.held_by], _granted(role)]

    header = ["role", "held on", "how many on each", "held by", "who grants it needs"]
    yield from _table(header, map(row, schema.roles.values()))
    yield ""
    if schema.one_role_per_member:
        yield "A member holds at most one role on the tenant."
    else:
        yield "A member can hold several roles on the tenant; they add up."
    if custom := schema.custom_roles:
        types = ", ".join(f"`{name}`" for name in schema.resources if name in custom.types)
        yield f"Tenants make roles of their own ({custom.rule}), about these types: {types}."


def _granted(role: Role) -> str:
    """Return what a member needs to grant the role, besides the action of the operation."""
    if role.held_by is not HeldBy.GRANT:
        return ""
    on_scope = f"`{role.granted_with}` on the scope" if role.granted_with else ""
    return " or ".join([*(f"`{name}`" for name in sorted(role.granted_by)), *filter(None, [on_scope])])


def _operations(schema: Schema) -> Iterator[str]:
    rows = [[f"`{name}`", f"`{type_}:{action}`"] for name, (type_, action) in schema.operations.items()]
    if rows:
        yield from _table(["operation of a member", "needs"], rows)
        yield ""
    yield "What is not listed is for the platform alone. Who may invite may also give roles that need nothing more."
    yield "A role on the tenant that exactly one member holds is not granted but delegated."
    if schema.custom_roles and schema.custom_roles.granted_by:
        names = " or ".join(f"`{name}`" for name in sorted(schema.custom_roles.granted_by))
        yield f"The tenant's own roles are granted by members who hold {names}."


def _rules(rules: Iterable[Rule]) -> Iterator[str]:
    def row(rule: Rule) -> list[str]:
        enforced = ", ".join(text for by, text in _ENFORCED_BY.items() if by in rule.enforced_by)
        reason = f"`{rule.reason}`" if rule.reason else ""
        if rule.obligations:
            reason += f"; would help: {', '.join(f'`{obligation.id}`' for obligation in rule.obligations)}"
        return [rule.id, _escaped(rule.text), enforced, reason]

    yield from _table(["ID", "rule", "enforced by", "reason of a denial"], map(row, rules))
    yield ""
    yield "*rows*: policy.csv; *membership*: the state of tenant and member, checked before any row; *store*: the store"
    yield "refuses facts that would break the rule."


def _properties(schema: Schema) -> Iterator[str]:
    kinds: list[tuple[str, str, Mapping[str, Property]]] = [
        ("dom", "a setting of the tenant", schema.settings),
        ("sub", "", schema.member),
        ("env", "the request's context", schema.context),
        *(("obj", f"on `{type_.name}`", type_.properties or {}) for type_ in schema.resources.values()),
    ]
    rows = [
        [
            f"`r.{entity}.{name}`",
            declared.type,
            where or "on subjects",
            declared.source.value,
            f"`{_default(declared)}`",
        ]
        for entity, where, properties in kinds
        for name, declared in properties.items()
    ]
    built_in = ", ".join(f"`{name}`" for name in MEMBER_BUILT_IN)
    if rows:
        yield from _table(["name", "type", "what", "from", "default"], rows)
        yield ""
    yield f"Subjects always have {built_in}; tenants and resources `ref`, `type` and `id`."
    yield "A stored value replaces what a request claims; without either, the default applies."


def _default(declared: Property) -> str:
    if isinstance(declared.default, bool):
        return str(declared.default).lower()
    return '""' if declared.default == "" else str(declared.default)


def _testing() -> Iterator[str]:
    yield "In this directory; the second command asks a real gRPC server:"
    yield ""
    yield "```console"
    yield "$ sidegate policy test ."
    yield "$ sidegate policy test . --through service"
    yield "```"


def _stock(pack: Pack) -> Iterator[str]:
    yield "model.conf and policy.csv are plain Casbin. Any Casbin tool opens them with the function `scope` and"
    yield "`keyMatch` as the domain matching function of `g`, by which a link in the domain `*` holds everywhere."
    yield "With pycasbin, in this directory:"
    yield ""
    yield "```python"
    yield from stock_example(pack)
    yield "```"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: Sequence[str]) -> None:
    """Write the README of each pack directory.

    Raises:
        PackError: a pack does not load.
    """
    for directory in map(Path, arguments):
        (directory / README).write_text(readme(load_pack(directory)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
