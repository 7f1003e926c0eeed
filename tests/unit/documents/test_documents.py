"""Documents: YAML that knows its lines, and the faults of a document against its schema."""

import json
import math

import pytest
from hypothesis import given

from sidegate.documents.json_schema import check_schema, schema_text
from sidegate.documents.suggestions import nearest
from sidegate.documents.yaml import MAX_DEPTH, parse_document
from sidegate.errors import FaultyFiles
from support.facts.any_facts import json_values


@given(json_values)
def test_json_reads_as_itself(value: object) -> None:
    """What JSON writes comes back equal, but for whole numbers past 18 digits, which become floats."""
    assert parse_document(json.dumps(value, ensure_ascii=False), "x.yaml").value == _as_read(value)


def _as_read(value: object) -> object:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int) and abs(value) >= 10**18:
        return float(value)
    if isinstance(value, list):
        return [_as_read(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_read(item) for key, item in value.items()}
    return value


def test_every_value_knows_its_line() -> None:
    """The line of a value is that of its key or list item; an unknown path has that of what is around it."""
    document = parse_document("a:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n", "x.yaml")

    assert [document.line(path) for path in [("a",), ("a", "b"), ("a", "c", 0), ("a", "c", 1, "d")]] == [1, 2, 4, 5]
    assert document.line(("a", "c", 1, "nothing")) == 5
    assert document.line(("nothing",)) == 1
    assert str(document.fault(("a", "c", 0), "wrong")) == "x.yaml:4: a.c.0: wrong"


def test_a_part_keeps_the_lines_of_its_file() -> None:
    """The value of a key is a document whose errors still name the lines of the file."""
    part = parse_document("a: 1\nb:\n  c: 2\n", "x.yaml").part("b")

    assert part.value == {"c": 2}
    assert str(part.fault(("c",), "wrong")) == "x.yaml:3: c: wrong"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("2026-01-01", "2026-01-01"),
        ("12:30", "12:30"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("007", 7),
        ("'007'", "007"),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        ("TRUE", True),
        ("~", None),
        ("", None),
        ("! x", "x"),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_scalars_are_those_of_the_core_schema(text: str, value: object) -> None:
    """Norwegian `no`, times and dates stay text; numbers, truth and nothing are what they look like."""
    found = parse_document(text, "x.yaml").value

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\na: 2", "x.yaml:2: key `a` is given twice"),
        ("a: &x 1\nb: *x", "x.yaml:2: alias `*x`; write the value out"),
        ("a: !!python/object:os.system x", "x.yaml:1: tag `tag:yaml.org,2002:python/object:os.system`; plain values"),
        ("a: !!set {b}", "x.yaml:1: tag `tag:yaml.org,2002:set`; plain values"),
        ("? [a]\n: b", "x.yaml:1: a key that is not a plain word"),
        ("a: 1\n---\nb: 2", "x.yaml:2: a second document; one file holds one"),
        ("a: [1", "x.yaml:2: not valid YAML: "),
        ("a: b: c", "x.yaml:1: not valid YAML: "),
        ("a: '\x00'", "x.yaml: not valid YAML: "),
        ("[" * (MAX_DEPTH + 1), f"x.yaml:1: nested deeper than {MAX_DEPTH} levels"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_line(text: str, fault: str) -> None:
    """Tags, aliases, doubled keys and broken syntax are one fault each, never a crash or another value."""
    with pytest.raises(FaultyFiles) as caught:
        parse_document(text, "x.yaml")

    (found,) = caught.value.faults
    assert str(found).startswith(fault)


def test_all_faults_of_a_document_come_in_order_with_what_would_be_right() -> None:
    """Unknown keys, missing keys, wrong types and values are each reported once, on their line."""
    text = "pack: small\nfacts: 3\nchekcs: []\nextra: 1\nchecks:\n  - {tenant: 1, expect: maybe, resource: x}\n"

    assert [str(fault) for fault in check_schema(parse_document(text, "t.yaml"), "policy-test")] == [
        "t.yaml:2: facts: `3` is not right: expected text",
        "t.yaml:3: chekcs: unknown key `chekcs`: did you mean `checks`?",
        "t.yaml:4: extra: unknown key `extra`: expected one of `checks`, `facts`, `pack`",
        "t.yaml:6: checks.0: `subject` is missing",
        "t.yaml:6: checks.0: `action` is missing",
        "t.yaml:6: checks.0.tenant: `1` is not right: expected text",
        "t.yaml:6: checks.0.expect: `maybe` is not right: expected one of `allow`, `deny`",
        (
            "t.yaml:6: checks.0.resource: `x` is not right: expected a type and an ID such as `template:nda`, "
            "or `template:*` for the type as a whole"
        ),
    ]


def test_a_document_that_is_no_mapping_is_one_fault() -> None:
    """An empty file and a list are reported as what they are."""
    for text, shown in (("", "null"), ("- 1", "[1]")):
        (fault,) = check_schema(parse_document(text, "t.yaml"), "policy-test")
        assert str(fault) == f"t.yaml:1: `{shown}` is not right: expected a mapping"


@pytest.mark.parametrize("schema", ["callers", "pack", "policy-test"])
def test_packaged_schemas_say_what_editors_show(schema: str) -> None:
    """Each packaged schema is of draft 2020-12, closed at the root, and describes every key that can be written."""
    parsed = json.loads(schema_text(schema))
    assert parsed["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert parsed["additionalProperties"] is False

    def described(part: dict[str, object]) -> bool:
        target = part.get("$ref", "")
        return "description" in part or (
            bool(target) and "description" in parsed["$defs"][str(target).removeprefix("#/$defs/")]
        )

    waiting: list[object] = [parsed]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += part.values()
            if isinstance(properties := part.get("properties"), dict) and part is not properties and "type" in part:
                for name, given in properties.items():
                    assert described(given), name
        elif isinstance(part, list):
            waiting += part


def test_the_nearest_word_is_offered() -> None:
    """A typo gets one suggestion, an unknown name the list of known ones, and an empty list says so."""
    assert nearest("amdin", {"admin", "owner"}) == "did you mean `admin`?"
    assert nearest("x", {"b", "a"}) == "expected one of `a`, `b`"
    assert nearest("x", ()) == "there is none"


def test_numbers_stay_finite() -> None:
    """No number of a document is infinite, however long it is."""
    for text in ("1e400", "9" * 400, "-1e400"):
        value = parse_document(text, "x.yaml").value
        assert isinstance(value, str) or (isinstance(value, int | float) and math.isfinite(value))
