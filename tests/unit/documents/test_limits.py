"""Large documents: what is read, what is refused early, and how many errors are listed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.documents.json_schema import check_schema
from sidegate.documents.json_text import NotPlainJson, read_json
from sidegate.documents.limits import MAX_FAULTS, UNLIMITED, Limits
from sidegate.documents.pieces import pieces
from sidegate.documents.yaml import Document, parse_document
from sidegate.errors import FaultyFiles
from support.facts.any_facts import json_values

_words = st.sampled_from(["tenants", "members", "grants", "role", "on", "to", "x", "a:b", "member:uma", " bad", ""])
_faulty_values = st.recursive(
    _words | st.integers(0, 3) | st.none(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(_words, inner, max_size=6),
    max_leaves=30,
)


def test_a_document_of_too_many_values_is_refused_where_they_are_too_many() -> None:
    """The error names the limit and what to do; what comes after it is not read."""
    limits = Limits(4, advice="split it by tenant")
    for text in ("a:\n  - 1\n  - 2\nb: 3\nc: [", '{"a": [1, 2], "b": 3, "c": 4}'):
        with pytest.raises(FaultyFiles) as caught:
            parse_document(text, "x.yaml", limits=limits)
        (fault,) = caught.value.faults
        assert fault.message == "the document holds more than 4 values: split it by tenant"
    assert fault.line == 1
    assert parse_document('{"a": [1, 2]}', "x.yaml", limits=limits).value == {"a": [1, 2]}


def test_the_first_errors_are_listed_and_the_others_are_mentioned() -> None:
    """A document of many errors gives the first of them in its order, then one line that there are more."""
    text = "tenants:\n  t:\n    grants:\n" + "      - {}\n" * 5_000

    faults = check_schema(parse_document(text, "x.yaml"), "facts")

    assert [str(fault) for fault in faults[:3]] == [
        "x.yaml:4: tenants.t.grants.0: `role` is missing",
        "x.yaml:4: tenants.t.grants.0: `on` is missing",
        "x.yaml:4: tenants.t.grants.0: `to` is missing",
    ]
    assert len(faults) == MAX_FAULTS + 1
    assert str(faults[-1]) == "x.yaml:37: and more errors from here on: the first 100 are listed"


@given(_faulty_values, st.integers(1, 12))
def test_checking_piece_by_piece_finds_the_same_errors(value: Any, size: int) -> None:
    """A document of many pieces has the errors of the whole, on the same lines and with the same keys."""
    document = parse_document(
        json.dumps({"tenants": {"t": value}, **({} if value is None else {"y": value})}), "x.yaml"
    )

    whole = check_schema(document, "facts", piece=1_000_000)
    found = check_schema(document, "facts", piece=size)

    assert {(fault.line, fault.key) for fault in found} == {(fault.line, fault.key) for fault in whole}


@given(_faulty_values, st.integers(1, 12))
def test_pieces_are_small_and_together_the_whole(value: Any, size: int) -> None:
    """Each scalar of a value is at its own path in exactly one piece."""
    found = [piece.path(path) for piece in pieces(value, size) for path in _scalars(piece.value)]

    assert sorted(map(str, found)) == sorted(map(str, _scalars(value)))


def _scalars(value: Any) -> list[tuple[str | int, ...]]:
    document = parse_document(json.dumps(value), "x.yaml")
    return [path for path in document.lines if not isinstance(document.at(path), dict | list)]


@given(json_values, st.sampled_from([None, 0, 2]), st.booleans())
def test_json_means_what_it_means_as_yaml(value: object, indent: int | None, ascii_only: bool) -> None:
    """The fast reader of JSON gives the value that the reader of YAML gives, or leaves the text to it."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    # A comment is YAML only, so that the fast reader does not take this.
    as_yaml = _parsed(text + " # YAML")
    try:
        fast = read_json(text, UNLIMITED)
    except NotPlainJson:
        return
    assert isinstance(as_yaml, Document)
    assert json.dumps(fast) == json.dumps(as_yaml.value)
    assert dict(parse_document(text, "x.yaml").lines) == dict(as_yaml.lines)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        '{"a"\n: 1}',
        '{"a": NaN}',
        '{"a": "\\ud800"}',
        '{"a": "\x7f"}',
        '{"' + "k" * 1100 + '": 1}',
        "[" * 33 + "]" * 33,
        '{"a": 1,}',
        '{"a": 1} # comment',
        "{a: 1}",
    ],
)
def test_what_yaml_reads_otherwise_is_left_to_yaml(text: str) -> None:
    """A text that is no JSON, or that YAML refuses, is not read by the fast reader."""
    with pytest.raises(NotPlainJson):
        read_json(text, UNLIMITED)


def _parsed(text: str) -> Document | None:
    try:
        return parse_document(text, "x.yaml")
    except FaultyFiles:
        return None
