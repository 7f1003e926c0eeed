"""The conditions of rows: what they may say, and that they can't raise."""

from pathlib import Path

import pytest

from sidegate.engine import Entity
from sidegate.engine.engines import compile_program
from sidegate.policy.pack.condition_names import condition_names
from sidegate.policy.pack.conditions import condition_fault, parse_condition, properties_in
from sidegate.policy.pack.load import load_pack
from sidegate.policy.pack.schema import Schema
from sidegate.policy.pack.scope_function import DOMAIN_MATCH, FUNCTIONS
from support.packs.packs import MODEL, write_pack

RIGHT = [
    "True",
    "r.sub.quota <= 0",
    'r.dom.require_mfa && !r.sub.mfa && r.act != "view" && r.act != "list"',
    'g(r.sub.ref, "admin", r.dom.ref)',
    'g(r.sub.ref, "owner", r.obj.ref) || r.sub.clearance >= 2',
    'r.act in ("view", "edit")',
    "r.sub.id in r.obj.readers",
    '!(r.obj.status in ("draft", "sent"))',
    'keyMatch(r.obj.status, "dra*") && regexMatch(r.sub.email, ".*@acme.example")',
    "r.sub.quota > -1 && r.sub.quota < 1.5",
    'scope(r.obj, r.dom, "folder") == ""',
    '(r.env.ip == "10.0.0.1") == True',
    "'plain' == r.dom.label",
    'ipMatch(r.env.address, "10.0.0.0/8") || ipMatch("10.0.0.1", "10.0.0.1")',
    'timeMatch("_", "2026-01-31 00:00:00")',
    'keyMatch2(r.obj.status, "/drafts/:id")',
]
WRONG = [
    ("r.sub.age > 3", "`r.sub.age` is not declared: "),
    ("r.dom.requires_mfa", "`r.dom.requires_mfa` is not declared: did you mean `require_mfa`?"),
    ("r.env.time == 'x'", "`r.env.time` is not declared: "),
    ("r.obj.state == 'x'", "`r.obj.state`: type `note` declares no such property: did you mean `status`?"),
    ("r.sub == 'uma'", "`r.sub` alone; name a property"),
    ("r.act.id == 'x'", "`r.act` is text"),
    ("r.sub.id.x == 'x'", "there is only"),
    ("p.role == 'x'", "`p.role` can't be read in a condition"),
    ("r.sub.quota", "it is a number, not true or false"),
    ("r.sub.quota && True", "take what is true or false, not a number"),
    ("!r.sub.id", "take what is true or false, not text"),
    ("r.sub.quota < '3'", "`<` compares a number with text"),
    ("r.sub.id == 3", "`==` compares text with a number"),
    ("r.sub.mfa < True", "`<` takes numbers or texts"),
    ("r.sub.id in r.sub.email", "`in` needs a list"),
    ("r.sub.quota in r.obj.readers", "`in` searches a number among text"),
    ("r.act in ('view', 3)", "`in` searches text among a number"),
    ("r.act not in ('view', 'edit')", "`not in` is not spelled the same"),
    ("0 < r.sub.quota < 3", "one comparison at a time"),
    ("r.sub.quota + 1 > 3", "there is only"),
    ("True if r.sub.mfa else False", "there is only"),
    ("r.sub.name == None", "`None` is no value"),
    ("keyGet(r.sub.id, '/*') == ''", "`keyGet()` is not for conditions"),
    ("keyMatch(r.sub.quota, '*')", "`keyMatch()` takes texts, not a number"),
    ("keyMatch(r.sub.id)", "takes 2 arguments"),
    ("g(r.sub.ref, 'boss', r.dom.ref)", "`g()` asks for a declared role, not `boss`"),
    ("g(r.sub.ref, r.sub.name, r.dom.ref)", "`g()` asks for a declared role"),
    ("g(r.sub.ref, 'insider', r.dom.ref)", "role `insider` is not held on the tenant"),
    ("scope(r.obj, r.dom, 'member') == ''", "`member` is no scope of what this row matches"),
    ("scope(r.sub, r.dom, 'note') == ''", "`scope()` is asked as in"),
    ("scope(r.obj, r.dom, r.obj.type) == ''", "`scope()` is asked as in"),
    ("ipMatch(r.env.ip, '10.0.0.0/8')", "give the property a default such as `0.0.0.0`"),
    ("ipMatch(r.act, '10.0.0.0/8')", "give the property a default such as `0.0.0.0`"),
    ("ipMatch(r.env.address, '10.0.0.0/99')", "`10.0.0.0/99` in `ipMatch()` is not an address or a network"),
    ("regexMatch(r.sub.id, '(')", "`(` in `regexMatch()` is not a regular expression"),
    ("regexMatch(r.sub.id, r.sub.name)", "the pattern of `regexMatch()` must be a literal"),
    ("keyMatch2(r.sub.id, r.sub.name)", "the pattern of `keyMatch2()` must be a literal"),
    ("keyMatch3(r.sub.id, '/a(')", "`/a(` in `keyMatch3()` is not a path"),
    ("timeMatch('now', '_')", "`now` in `timeMatch()` is not `_` or a time"),
    ("__import__('os')", "unknown function"),
    ("r.sub.id.strip() == ''", "methods can't be called"),
    ("False) or True or (True", "expected an operator or the end"),
    ("", "expected a value"),
]


@pytest.fixture
def schema(tmp_path: Path) -> Schema:
    return load_pack(write_pack(tmp_path)).schema


@pytest.mark.parametrize("text", RIGHT)
def test_right_conditions_are_right_and_can_be_evaluated_on_defaults(schema: Schema, text: str) -> None:
    """What the check accepts, the engine evaluates where nothing but the declared defaults is known."""
    note = schema.resources["note"]
    named = {"ref": "note:n", "type": "note", "id": "n"}
    defaults = {
        name: tuple(d.default) if d.type == "list" else d.default for name, d in (note.properties or {}).items()
    }
    subject = {
        "ref": "member:u",
        "type": "member",
        "id": "u",
        "status": "active",
        "name": "",
        "email": "",
        "mfa": False,
    }
    request = (
        Entity({**subject, "quota": 0, "clearance": 0}),
        Entity({"ref": "tenant:t", "type": "tenant", "id": "t", "require_mfa": False, "label": "plain"}),
        Entity({**named, **defaults}, {"note": "note:n"}),
        "view",
        Entity({"ip": "", "address": "0.0.0.0"}),
    )

    assert condition_fault(text, condition_names(schema, [note])) is None
    row = ("p", "*", "tenant", "note", "view", text, "allow", "SM-01")
    assert compile_program(MODEL, [row], functions=FUNCTIONS, domain_match=DOMAIN_MATCH).evaluate(request) is not None


@pytest.mark.parametrize(("text", "fault"), WRONG)
def test_wrong_conditions_say_what_would_be_right(schema: Schema, text: str, fault: str) -> None:
    """A condition outside the language, or about what is not declared, is a fault."""
    found = condition_fault(text, condition_names(schema, [schema.resources["note"]]))

    assert found is not None
    assert fault in found


def test_a_property_must_be_declared_on_every_matching_type(schema: Schema) -> None:
    """A row for several types can't read what one of them lacks, which would raise there."""
    found = condition_fault(
        "r.obj.status == 'x'", condition_names(schema, [schema.resources["note"], schema.resources["folder"]])
    )

    assert found is not None
    assert "type `folder` declares no such property" in found


def test_the_properties_of_a_condition_are_listed() -> None:
    """All properties that a condition reads are found, nested ones included."""
    tree = parse_condition('r.sub.mfa && !(r.act in ("view", "list")) || g(r.sub.ref, "admin", r.dom.ref)')

    assert properties_in(tree) == {("sub", "mfa"), ("sub", "ref"), ("dom", "ref")}
