"""Writes facts documents, in the form that reading takes back: a line per stored thing, defaults left out.

Lines are made here, not by a YAML library: a hundred thousand members take a second instead of half a
minute, one member stays one line, and texts are quoted by what our own reader would make of them.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from sidegate.model.facts import CustomRole, Grant, Group, Member, MemberStatus, StoredResource, TenantFacts
from sidegate.model.properties import Json
from sidegate.model.reference import ref, split_ref
from sidegate.policy.pack.schema import OWNER, TENANT

_WIDTH = 120
_GRANT_ORDER = attrgetter("role", "scope", "holder")
_LONGEST_SIMPLE_KEY = 1000
"""YAML looks for the colon after a key within 1024 characters only, unless `?` marks the key."""
_PLAIN = re.compile(r"[^\W\d](?:[\w.@+/-]|:(?=\w)| (?=\w))*")
_TAKEN = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_UNPRINTABLE = re.compile("[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def write_facts(tenants: Sequence[TenantFacts]) -> str:
    """Return the document of these tenants; equal facts make equal text, and reading it gives equal facts."""
    if not tenants:
        return "tenants: {}\n"
    ordered = sorted(tenants, key=lambda facts: facts.id)
    return "\n".join(("tenants:", *(line for facts in ordered for line in _tenant(facts)))) + "\n"


def _tenant(facts: TenantFacts) -> Iterator[str]:
    tenant_roles, owners, others = _sort_grants(facts)
    inside = [
        *([f"    pack: {_text(facts.pack)}"] if facts.pack else ()),
        *(["    suspended: true"] if facts.suspended else ()),
        *([f"    settings: {_flow(_plain_items(facts.settings))}"] if facts.settings else ()),
        *_section("members", ((id_, _member(m, tenant_roles.get(id_, ()))) for id_, m in facts.members.items())),
        *_groups(facts.groups),
        *_section("roles", ((name, _role(role)) for name, role in facts.roles.items())),
        *_section("resources", ((key, _resource(r, owners.get(key))) for key, r in facts.resources.items())),
        *(["    grants:"] if others else ()),
        *(f"      - {_flow(_grant(facts.id, grant))}" for grant in others),
    ]
    yield from _block("  ", facts.id, inside) if inside else _block("  ", facts.id, "{}")


def _sort_grants(facts: TenantFacts) -> tuple[Mapping[str, Sequence[str]], Mapping[str, str], Sequence[Grant]]:
    """Return the grants written with a member, those written with a resource, and all others."""
    scope = ref(TENANT, facts.id)
    roles: defaultdict[str, list[str]] = defaultdict(list)
    owners: defaultdict[str, list[Grant]] = defaultdict(list)
    others: list[Grant] = []
    for grant in sorted(facts.grants, key=_GRANT_ORDER):
        type_, id_ = split_ref(grant.holder)
        if grant.scope == scope and type_ == "member" and id_ in facts.members:
            roles[id_].append(grant.role)
        elif grant.role == OWNER and grant.scope in facts.resources:
            owners[grant.scope].append(grant)
        else:
            others.append(grant)
    shared = [grant for grants in owners.values() if len(grants) > 1 for grant in grants]
    single = {reference: _short(grants[0].holder) for reference, grants in owners.items() if len(grants) == 1}
    return roles, single, sorted((*others, *shared), key=_GRANT_ORDER)


def _section(name: str, entries: Iterable[tuple[str, Sequence[tuple[str, str]]]]) -> Iterator[str]:
    for index, (key, items) in enumerate(sorted(entries)):
        if not index:
            yield f"    {name}:"
        yield from _block("      ", key, _flow(items))


def _block(indent: str, key: str, value: str | Sequence[str]) -> Iterator[str]:
    """Yield a key with its value, which is text for the same line or lines below it."""
    written = _text(key)
    head = f"{indent}{written}:"
    if len(written) > _LONGEST_SIMPLE_KEY:
        yield f"{indent}? {written}"
        head = f"{indent}:"
    if isinstance(value, str):
        yield f"{head} {value}"
    else:
        yield head
        yield from value


def _member(member: Member, roles: Sequence[str]) -> list[tuple[str, str]]:
    labels = (("name", member.name), ("email", member.email), ("phone", member.phone))
    items = [(label, _text(value)) for label, value in labels if value]
    if roles:
        items.append(("roles", _list(roles)))
    if member.status is not MemberStatus.ACTIVE:
        items.append(("status", member.status.value))
    if member.mfa:
        items.append(("mfa", "true"))
    if member.quota is not None:
        items.append(("quota", str(member.quota)))
    return items


def _groups(groups: Mapping[str, Group]) -> Iterator[str]:
    """Yield the groups; one that is too long for a line has a line per member."""
    if groups:
        yield "    groups:"
    for id_, group in sorted(groups.items()):
        name = [("name", _text(group.name))] if group.name else []
        members = sorted(map(_short, group.members))
        line = _flow([*name, *([("members", _list(members))] if members else ())])
        if len(line) <= _WIDTH or not members:
            yield from _block("      ", id_, line)
            continue
        named = (f"        {key}: {value}" for key, value in name)
        yield from _block("      ", id_, [*named, "        members:", *(f"          - {_text(m)}" for m in members)])


def _role(role: CustomRole) -> list[tuple[str, str]]:
    permissions = [(_text(type_), _list(sorted(actions))) for type_, actions in sorted(role.permissions.items())]
    return [("permissions", _flow(permissions))] if permissions else []


def _resource(resource: StoredResource, owner: str | None) -> list[tuple[str, str]]:
    return [
        *([("parents", _list(sorted(resource.parents)))] if resource.parents else ()),
        *([("owner", _text(owner))] if owner is not None else ()),
        *([("properties", _flow(_plain_items(resource.properties)))] if resource.properties else ()),
    ]


def _grant(tenant: str, grant: Grant) -> list[tuple[str, str]]:
    scope = TENANT if grant.scope == ref(TENANT, tenant) else grant.scope
    return [("role", _text(grant.role)), ("on", _text(scope)), ("to", _text(grant.holder))]


def _short(holder: str) -> str:
    """Return a member's bare ID where it can't be taken for a reference, else the reference."""
    type_, id_ = split_ref(holder)
    return id_ if type_ == "member" and not id_.startswith(("member:", "group:")) else holder


def _flow(items: Sequence[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in items) + "}"


def _list(texts: Iterable[str]) -> str:
    return "[" + ", ".join(map(_text, texts)) + "]"


def _plain_items(properties: Mapping[str, Json]) -> list[tuple[str, str]]:
    return [(_text(name), _value(value)) for name, value in sorted(properties.items())]


def _value(value: Json) -> str:
    match value:
        case str():
            return _text(value)
        case list():
            return "[" + ", ".join(map(_value, value)) + "]"
        case _:
            return json.dumps(value)


def _text(text: str) -> str:
    """Return text that YAML reads back as this string, quoted where it could be read otherwise."""
    if _PLAIN.fullmatch(text) and text.casefold() not in _TAKEN:
        return text
    return _UNPRINTABLE.sub(_escaped, json.dumps(text, ensure_ascii=False))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\u{code:04x}"
