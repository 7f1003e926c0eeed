"""How to open a pack in stock Casbin, as a script that runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sidegate.model.properties import Json
from sidegate.model.reference import ref
from sidegate.policy.pack.load import MODEL, POLICY
from sidegate.policy.pack.policy_file import ANYONE, matches, matching_types
from sidegate.policy.pack.schema import MEMBER_BUILT_IN, TENANT, Pack, Property, ResourceType


@dataclass(frozen=True, slots=True)
class _Question:
    """A question that a row on the tenant allows to the holders of its role."""

    role: str
    type_: ResourceType
    action: str


def stock_example(pack: Pack) -> Iterator[str]:
    """Yield the lines of a Python script that opens the pack in pycasbin and asks one question."""
    yield from _OPENING.format(model=MODEL, policy=POLICY).splitlines()
    question = _question(pack)
    if question is None:
        return
    schema, type_ = pack.schema, question.type_
    subject: dict[str, Json] = {"ref": "member:uma", "type": "member", "id": "uma", "status": "active"}
    subject |= {"name": "", "email": "", "mfa": False, "quota": 0}
    assert subject.keys() == MEMBER_BUILT_IN.keys()
    id_ = "acme" if type_.name == TENANT else "x"
    yield f'enforcer.add_named_grouping_policy("g", "member:uma", "{question.role}", "{TENANT}:acme")'
    yield _entity("sub", subject | _defaults(schema.member))
    yield _entity("dom", {"ref": "tenant:acme", "type": TENANT, "id": "acme"} | _defaults(schema.settings))
    yield _entity(
        "obj", {"ref": ref(type_.name, id_), "type": type_.name, "id": id_} | _defaults(type_.properties or {})
    )
    yield _entity("env", _defaults(schema.context))
    yield f'print(enforcer.enforce_ex(sub, dom, obj, "{question.action}", env))'


_OPENING = """\
from types import SimpleNamespace

import casbin
from casbin.util import key_match_func

ancestors = {{}}  # by resource: reference -> {{type: reference}} of its ancestors


def scope(obj, dom, name):
    if name == "tenant":
        return dom.ref
    return obj.ref if name == obj.type else ancestors.get(obj.ref, {{}}).get(name, "")


enforcer = casbin.Enforcer("{model}", "{policy}")
enforcer.enable_auto_save(False)
enforcer.add_function("scope", scope)
enforcer.add_named_domain_matching_func("g", key_match_func)
"""


def _question(pack: Pack) -> _Question | None:
    for _, role, scope, types, acts, condition, effect, _ in pack.rows:
        if (scope, condition, effect) != (TENANT, "True", "allow") or role == ANYONE:
            continue
        type_ = matching_types(types, pack.schema)[0]
        for action in type_.actions:
            if matches(action, acts):
                return _Question(role, type_, action)
    return None


def _defaults(properties: Mapping[str, Property]) -> dict[str, Json]:
    return {name: declared.default for name, declared in properties.items()}


def _entity(name: str, properties: Mapping[str, Json]) -> str:
    given = ", ".join(f"{key}={_literal(value)}" for key, value in properties.items())
    return f"{name} = SimpleNamespace({given})"


def _literal(value: Json) -> str:
    if isinstance(value, list):
        return f"({' '.join(f'{_literal(item)},' for item in value)})"
    return (
        f'"{value}"' if isinstance(value, str) and value.isprintable() and not {'"', "\\"} & {*value} else repr(value)
    )
