"""Warnings about a pack that loads: what is probably a mistake, though it is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from sidegate.documents.yaml import Document, parse_document
from sidegate.engine import IndexedEngine
from sidegate.engine.language.tree import Call, Literal, Node, children
from sidegate.errors import Fault
from sidegate.policy.describe.matrix import who_may
from sidegate.policy.pack.conditions import parse_condition, properties_in
from sidegate.policy.pack.files import read_inside
from sidegate.policy.pack.load import MODEL, POLICY, SCHEMA
from sidegate.policy.pack.model_file import STANDARD_MATCHER, is_standard
from sidegate.policy.pack.policy_file import ANYONE, matching_types
from sidegate.policy.pack.schema import OWNER, TENANT, EnforcedBy, HeldBy, InstanceOf, Pack, Property, Source
from sidegate.policy.pack.scope_function import DOMAIN_MATCH, FUNCTIONS

_GARBLED: Final = re.compile(r"&&|\|\||!|#|\b[rp][0-9]*\.")
"""What stock Casbin rewrites everywhere, even inside string literals."""


def lint_pack(pack: Pack) -> list[Fault]:
    """Return the warnings about a pack that loads, ordered by file and line."""
    directory = Path(pack.directory)
    schema_file, rows_file = directory / SCHEMA, directory / POLICY
    document = parse_document(read_inside(directory, schema_file).decode("utf-8"), str(schema_file))
    conditions = {row[5]: parse_condition(row[5]) for row in pack.rows}
    found = [
        *_names(pack, document),
        *_unused_roles(pack, conditions, document),
        *_unused_properties(pack, conditions, document),
        *_never_allowed(pack, document),
        *_rules(pack, document),
        *_only_platform(pack, document),
    ]
    rows = [*_shadowed(pack, str(rows_file)), *_wide_open(pack, str(rows_file)), *_garbled(pack, conditions, rows_file)]
    return [
        *sorted(found, key=_line),
        *_matcher(pack, directory / MODEL),
        *_scanned(pack, directory / MODEL),
        *sorted(rows, key=_line),
    ]


def _line(fault: Fault) -> int:
    return fault.line


def _names(pack: Pack, document: Document) -> Iterator[Fault]:
    for role in pack.schema.roles:
        if role in pack.schema.resources:
            message = f"`{role}` is the name of a type too; a reader may confuse the two"
            yield document.fault(("roles", role), message)


def _unused_roles(pack: Pack, conditions: Mapping[str, Node], document: Document) -> Iterator[Fault]:
    used = {row[1] for row in pack.rows}
    for tree in conditions.values():
        used |= {role for call in _calls(tree) if call.function == "g" for role in _texts(call)}
    for role in pack.schema.roles:
        if role not in used:
            yield document.fault(("roles", role), f"no row of {POLICY} is about role `{role}`; it gives nothing")


def _unused_properties(pack: Pack, conditions: Mapping[str, Node], document: Document) -> Iterator[Fault]:
    schema = pack.schema
    read: set[tuple[str, str, str]] = set()
    for row in pack.rows:
        for entity, name in properties_in(conditions[row[5]]):
            of = [type_.name for type_ in matching_types(row[3], schema)] if entity == "obj" else [""]
            read |= {(entity, type_, name) for type_ in of}
    property_maps: list[tuple[tuple[str, ...], str, str, Mapping[str, Property]]] = [
        (("settings",), "dom", "", schema.settings),
        (("member",), "sub", "", schema.member),
        (("context",), "env", "", schema.context),
        *(
            (("resources", name, "properties"), "obj", name, type_.properties or {})
            for name, type_ in schema.resources.items()
        ),
    ]
    for path, entity, of_type, properties in property_maps:
        for name, declared in properties.items():
            if (entity, of_type, name) not in read:
                yield document.fault((*path, name), f"no condition reads `r.{entity}.{name}`")
            if entity == "sub" and declared.source is Source.STORED:
                message = "nothing stores a property of members; it always has its default"
                yield document.fault((*path, name), message)


def _never_allowed(pack: Pack, document: Document) -> Iterator[Fault]:
    custom = pack.schema.custom_roles
    for type_ in pack.schema.resources.values():
        if custom and type_.name in custom.types:
            continue
        cells = who_may(pack, type_).values()
        for at, action in enumerate(type_.actions):
            if not any(verdict.allow for by_action in cells for verdict in by_action.get(action, ())):
                path = ("resources", type_.name, "actions", at)
                yield document.fault(path, f"no row allows `{action}` on `{type_.name}` to anyone")


def _rules(pack: Pack, document: Document) -> Iterator[Fault]:
    denying = {row[7] for row in pack.rows if row[6] == "deny"}
    for rule in pack.schema.rules.values():
        if not rule.text.rstrip().endswith((".", "!", "?")):
            yield document.fault(("rules", rule.id, "text"), "the text is no whole sentence; end it with a full stop")
        if rule.reason and rule.id not in denying and EnforcedBy.MEMBERSHIP not in rule.enforced_by:
            message = f"no deny row is of this rule, so that no denial has the reason `{rule.reason}`"
            yield document.fault(("rules", rule.id, "reason"), message)


def _only_platform(pack: Pack, document: Document) -> Iterator[Fault]:
    """Yield what members of a pack that lets them act can own or hold, and only the platform can make or grant."""
    schema = pack.schema
    for type_ in schema.resources.values():
        if type_.instances is not InstanceOf.RESOURCES or type_.name == TENANT:
            continue
        path = ("resources", type_.name)
        roles = [role for role in schema.roles.values() if type_.name in role.on and role.held_by is HeldBy.GRANT]
        if not type_.registered_with:
            if schema.operations and any(role.name == OWNER for role in roles):
                message = f"a `{type_.name}` has an owner, and only the platform registers one; see `registered_with`"
                yield document.fault(path, message)
            continue
        for parent in sorted(type_.parents):
            if not type_.registered_with.keys() & {parent, type_.name}:
                message = f"only the platform registers a `{type_.name}` in a `{parent}`; see `registered_with`"
                yield document.fault((*path, "registered_with"), message)
        for role in roles:
            if role.name != OWNER and not role.granted_with:
                message = f"only the platform grants `{role.name}` on a `{type_.name}`; see `granted_with`"
                yield document.fault(("roles", role.name), message)


def _matcher(pack: Pack, file: Path) -> Iterator[Fault]:
    if not is_standard(pack.model_text):
        message = f"the matcher is not `{STANDARD_MATCHER}`, which the checks of rows assume"
        yield Fault(str(file), 0, "m", message)
    elif pack.schema.custom_matcher:
        yield Fault(str(file), 0, "m", f"the matcher is that of all packs; leave `matcher: custom` out of {SCHEMA}")


def _shadowed(pack: Pack, file: str) -> Iterator[Fault]:
    """Yield rows that repeat another one: of equal allows the last one decides, of equal denies the first."""
    first: dict[tuple[str, ...], int] = {}
    for row, line in zip(pack.rows, pack.lines, strict=True):
        alike = first.setdefault(row[1:7], line)
        if alike != line:
            never, decides = (line, alike) if row[6] == "deny" else (alike, line)
            yield Fault(file, never, "", f"this row never decides; line {decides} says the same")
            first[row[1:7]] = decides


def _wide_open(pack: Pack, file: str) -> Iterator[Fault]:
    for row, line in zip(pack.rows, pack.lines, strict=True):
        if (row[1], row[3], row[4], row[5]) == (ANYONE, "*", "*", "True"):
            what = "allows every member everything" if row[6] == "allow" else "denies everything to everyone"
            yield Fault(file, line, "", f"this row {what}")


def _garbled(pack: Pack, conditions: Mapping[str, Node], file: Path) -> Iterator[Fault]:
    for row, line in zip(pack.rows, pack.lines, strict=True):
        for text in _literals(conditions[row[5]]):
            if _GARBLED.search(text):
                yield Fault(str(file), line, "cond", f"stock Casbin would garble the text `{text}`")


def _scanned(pack: Pack, file: Path) -> Iterator[Fault]:
    program = IndexedEngine().compile(pack.model_text, pack.rows, functions=FUNCTIONS, domain_match=DOMAIN_MATCH)
    plan = program.plan()
    if not plan.indexed:
        message = "no index leads to the rules, so each Check tries all of them:"
        yield Fault(str(file), 0, "m", "\n    ".join([message, *str(plan).splitlines()]))


def _nodes(tree: Node) -> Iterator[Node]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(children(node))


def _calls(tree: Node) -> Iterator[Call]:
    return (node for node in _nodes(tree) if isinstance(node, Call))


def _literals(tree: Node) -> Iterator[str]:
    return (node.value for node in _nodes(tree) if isinstance(node, Literal) and isinstance(node.value, str))


def _texts(call: Call) -> Iterator[str]:
    return (node.value for node in call.arguments if isinstance(node, Literal) and isinstance(node.value, str))
