"""Generated Casbin models, policies, role graphs and requests, of few names, so that they meet each other often."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace

from sidegate.model.rules import Row

EFFECTS = [
    "some(where (p.eft == allow))",
    "!some(where (p.eft == deny))",
    "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
    "priority(p.eft) || deny",
    "subjectPriority(p.eft) || deny",
]
SUBJECTS = ["alice", "bob", "carol", "admin", "staff", "/u/1"]
OBJECTS = ["/a", "/a/1", "/a/1/x", "/b", "data", ""]
OBJECT_PATTERNS = [*OBJECTS, "/a/*", "*", "/a*", "/:id", "/a/:id/*", "/{x}/1", "da.a", "/**", "/a/?"]
ACTIONS = ["read", "write", "rea", ""]
ACTION_PATTERNS = [*ACTIONS, "(read)|(write)", "r.*", "read", "^w", "*", "re*"]
DOMAINS = ["d1", "d2", "d11"]
CONDITIONS = [
    "True",
    "False",
    "r.env.age >= 18",
    "r.env.age",
    "r.env.missing == 1",
    "r.sub == p.sub || r.env.age < 3",
    "r.env.name == 'a && b'",
    "r.env.tags[0] == \"x\" && !(r.act in ('write', 'none'))",
    "keyMatch(r.obj, p.obj)",
    "r.env.age * 2 + 1 > 30 if r.env.age else r.env.name",
    "true",
    "!false && r.act IN ('read', 'write')",
    "timeMatch('0000-02-29 00:00:00', '9999-12-30 00:00:00')",
]
SUBJECT_CONJUNCTS = [
    "r.sub == p.sub",
    "g(r.sub, p.sub{dom})",
    '(p.sub == "*" || g(r.sub, p.sub{dom}))',
    "(g(r.sub, p.sub{dom}) || p.sub == r.obj)",
    "g(p.sub, r.sub{dom})",
    "g(r.env.name, p.sub{dom})",
]
WINDOWS = [
    ("_", "_"),
    ("0000-01-01 00:00:00", "9999-12-30 00:00:00"),
    ("0000-01-01 00:00:00", "0000-01-02 00:00:00"),
    ("2001-01-01 00:00:00", "_"),
]
OBJECT_CONJUNCTS = [
    "r.obj == p.obj",
    "p.obj == r.obj",
    "keyMatch(r.obj, p.obj)",
    "keyMatch2(r.obj, p.obj)",
    "keyMatch3(r.obj, p.obj)",
    "keyMatch5(r.obj, p.obj)",
    "globMatch(r.obj, p.obj)",
    "g2(r.obj, p.obj)",
    "g3(r.sub, p.sub)",
    "r.env.name == p.obj",
]
OTHER_CONJUNCTS = [
    "r.act == p.act",
    "regexMatch(r.act, p.act)",
    "keyMatch(r.act, p.act)",
    "r.act in ('read', 'write')",
    "eval(p.cond)",
    "r.env.age > 17",
    "r.env.flag",
    "r.sub != 'bob'",
    "!(r.act == p.act)",
    "(r.sub == 'admin' || r.act == p.act)",
    "(r.act == p.act && r.sub != 'bob' || r.env.age == 65)",
    "'x!y||z' != r.obj",
]


@dataclass
class Case:
    """A program's ingredients and what it is asked."""

    model: str
    rows: list[Row]
    requests: list[tuple[object, ...]]
    role_match: dict[str, str] = field(default_factory=dict)
    domain_match: dict[str, str] = field(default_factory=dict)
    more: list[Row] = field(default_factory=list)


def case_of(rng: Random, requests: int) -> Case:
    """Generate a case; `more` holds rows that may be added to the program later."""
    domain = rng.random() < 0.5
    effect = rng.choice(EFFECTS)
    request = ["sub", *(["dom"] if domain else []), "obj", "act", "env"]
    policy = [*request[:-1], "cond", "eft", *(["priority"] if rng.random() < 0.4 else [])]
    model = [
        "[request_definition]",
        "r = " + ", ".join(request),
        "[policy_definition]",
        "p = " + ", ".join(policy),
        "[role_definition]",
        "g = _, _, _" if domain else "g = _, _",
        "g2 = _, _",
        "g3 = _, _, (_, _)",
        "[policy_effect]",
        "e = " + effect,
        "[matchers]",
        "m = " + _matcher(rng, ", r.dom" if domain else ""),
    ]

    def row() -> Row:
        if rng.random() < 0.6:
            return "p", *(rng.choice(COLUMNS[name]) for name in policy)
        if rng.random() < 0.1:
            return "g3", *rng.sample(SUBJECTS, 2), *rng.choice(WINDOWS)
        if rng.random() < 0.3:
            return "g2", rng.choice(OBJECT_PATTERNS[:8]), rng.choice(OBJECT_PATTERNS[:8])
        names = rng.sample(SUBJECTS, 2) if rng.random() < 0.95 else [rng.choice(SUBJECTS)] * 2
        if effect.startswith("subjectPriority"):
            names.sort()
        return "g", *names, *([rng.choice([*DOMAINS, "d1*", "*"])] if domain else [])

    rows = [row() for _ in range(rng.choice([1, 4, 12, 24]))]
    rows.insert(rng.randint(0, len(rows)), ("p", *(rng.choice(COLUMNS[name]) for name in policy)))
    return Case(
        model="\n".join(model),
        rows=rows,
        requests=[_request(rng, request) for _ in range(requests)],
        role_match=rng.choice([{}, {}, {"g2": "keyMatch"}, {"g2": "keyMatch2"}, {"g2": "globMatch"}]),
        domain_match={"g": "keyMatch"} if domain and rng.random() < 0.5 else {},
        more=[row() for _ in range(rng.randint(0, 12))],
    )


COLUMNS = {
    "sub": [*SUBJECTS, "*"],
    "dom": [*DOMAINS, "d*"],
    "obj": OBJECT_PATTERNS,
    "act": ACTION_PATTERNS,
    "cond": CONDITIONS,
    "eft": ["allow", "allow", "deny"],
    "priority": ["0", "1", "2", "10"],
}
PROPERTIES = {
    "age": [2, 18, 65, "18", 1.5, True],
    "name": ["alice", "a && b", "/a"],
    "flag": [True, False, "yes", "", 0.0, 1.0, None],
    "tags": [["x"], [], "x"],
}
VALUES = {
    "sub": [*SUBJECTS, "root", "nobody"],
    "dom": [*DOMAINS, "nowhere", "*"],
    "obj": [*OBJECTS, "/b/2", "*"],
    "act": [*ACTIONS, 1, None],
}


def _matcher(rng: Random, dom: str) -> str:
    alternatives = [_conjunction(rng, dom) for _ in range(rng.choice([1, 1, 1, 2]))]
    if rng.random() < 0.1:
        alternatives.append("r.sub == 'root'")
    return " || ".join(alternatives)


def _conjunction(rng: Random, dom: str) -> str:
    parts = [rng.choice(SUBJECT_CONJUNCTS), rng.choice(OBJECT_CONJUNCTS)]
    parts += rng.sample(OTHER_CONJUNCTS, rng.randint(0, 2))
    if dom:
        parts.append("r.dom == p.dom")
    rng.shuffle(parts)
    return " && ".join(parts[: rng.randint(1, len(parts))]).replace("{dom}", dom)


def _request(rng: Random, fields: list[str]) -> tuple[object, ...]:
    known = {name: rng.choice(values) for name, values in PROPERTIES.items() if rng.random() < 0.7}
    return tuple(SimpleNamespace(**known) if name == "env" else rng.choice(VALUES[name]) for name in fields)


TYPES = ["document", "template", "group", "doc"]
SCOPES = ["tenant", "template", "document", "group", "nothing"]
ROLES = ["owner", "viewer", "manager", "*"]
HOLDERS = ["member:uma", "member:ted", "group:sales", "group:all", "member:rep"]
PLACES = ["tenant:acme", "template:nda", "document:1", "group:sales", "*", "template:*", ""]
PACK_CONDITIONS = [
    "True",
    "r.sub.mfa",
    "r.sub.mfa == False",
    "r.obj.state in ('draft', 'sent')",
    'scope(r.obj, r.dom, "template") != ""',
    'g(r.sub.ref, "manager", r.dom.ref)',
    "r.env.hour < 12 || r.sub.id == 'ted'",
    "r.obj.missing == 1",
]


def pack_rows(rng: Random, count: int) -> list[Row]:
    """Generate rules and links of the packs' model."""
    rows: list[Row] = []
    for number in range(count):
        if rng.random() < 0.6:
            role, scope, type_ = rng.choice(ROLES), rng.choice(SCOPES), rng.choice([*TYPES, "*", "d*"])
            act = rng.choice(["view", "edit", "*", "vi*"])
            effect = rng.choice(["allow", "allow", "deny"])
            rows.append(("p", role, scope, type_, act, rng.choice(PACK_CONDITIONS), effect, f"R{number}"))
        else:
            rows.append(("g", *pack_link(rng)))
    return rows


def pack_link(rng: Random) -> tuple[str, str, str]:
    """Generate a link of the packs' model: holder, role or group, scope."""
    return rng.choice(HOLDERS), rng.choice([*ROLES[:3], "group:sales", "group:all"]), rng.choice(PLACES)
