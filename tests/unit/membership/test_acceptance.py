"""The quick predicate of a JSON Schema against a full validator of the same schema."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from sidegate.documents import parse_document, schema_text
from sidegate.membership.acceptance import acceptor
from sidegate.membership.writing import write_facts
from support.unhurried import unhurried
from support.written_facts import written_facts

VALIDATOR = Draft202012Validator(json.loads(schema_text("facts")))
SCALARS = [None, True, False, 0, 1, -1, 1.0, 1.5, 2**53, float(2**60), "", "x", " x", "x*", "a:b", "tenant", "member:x"]
WORDS = ["$schema", "tenants", "pack", "quota", "status", "email", "owner", "parents", "role", "on", "to", " ", "a:b"]
odd = st.recursive(
    st.sampled_from(SCALARS) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=2),
    max_leaves=4,
)

WHOLE: Any = {
    "tenants": {
        "acme": {
            "pack": "standard",
            "settings": {"seats": 2, "regions": ["eu"], "share": 0.5},
            "members": {
                "uma": {"name": "Uma", "email": "u@acme.example", "roles": ["admin"], "quota": 3, "mfa": True},
                "pia": {"status": "pending"},
                "ugo": None,
            },
            "groups": {"sales": {"name": "Sales", "members": ["uma", "group:emea"]}, "emea": {}},
            "roles": {"Reviewer": {"permissions": {"document": ["view"]}}},
            "resources": {"document:d1": {"owner": "uma", "parents": ["template:nda"], "properties": {"draft": True}}},
            "grants": [{"role": "viewer", "on": "document:d1", "to": "group:sales"}],
        }
    }
}


def test_the_schema_is_a_json_schema() -> None:
    """The published schema keeps to its own dialect, so that editors can load it."""
    Draft202012Validator.check_schema(VALIDATOR.schema)


@unhurried
@given(written_facts())
def test_all_that_is_written_is_accepted(facts: Any) -> None:
    """Both accept what an export writes."""
    value = parse_document(write_facts([facts]), "facts.yaml").value

    assert acceptor("facts")(value)
    assert VALIDATOR.is_valid(value)


@settings(unhurried, max_examples=200)
@given(st.data())
def test_both_refuse_the_same(data: st.DataObject) -> None:
    """After any one value of a document is exchanged for another, both give the same answer."""
    changed = _exchange(deepcopy(WHOLE), data)

    assert acceptor("facts")(changed) == VALIDATOR.is_valid(changed)


@pytest.mark.parametrize("value", [None, [], "tenants", {}, {"tenants": []}, {"tenants": {}, "tenant": {}}])
def test_other_roots_are_refused(value: Any) -> None:
    """What is no facts document at all is refused by both."""
    assert not acceptor("facts")(value)
    assert not VALIDATOR.is_valid(value)


def _exchange(value: Any, data: st.DataObject) -> Any:
    """Exchange, add or rename one part, at a depth that is drawn."""
    if not isinstance(value, dict | list) or not value or data.draw(st.integers(0, 5)) == 0:
        return data.draw(odd)
    if isinstance(value, list):
        index = data.draw(st.integers(0, len(value) - 1))
        value[index] = _exchange(value[index], data)
        return value
    key = data.draw(st.sampled_from(sorted(value)))
    match data.draw(st.integers(0, 9)):
        case 0:
            value[data.draw(st.sampled_from(WORDS) | st.text(max_size=3))] = value.pop(key)
        case 1:
            del value[key]
        case _:
            value[key] = _exchange(value[key], data)
    return value


@pytest.mark.parametrize(
    ("quota", "accepted"),
    [
        *((quota, True) for quota in (0, 3, 3.0, 2**53 - 1)),
        *((quota, False) for quota in (2**53, -1, 1.5, True, "3", None, [])),
    ],
)
def test_a_quota_is_a_whole_number_within_bounds(quota: Any, accepted: bool) -> None:
    """Numbers are told from truths and texts, and their bounds are exact."""
    value = {"tenants": {"acme": {"members": {"uma": {"quota": quota}}}}}

    assert acceptor("facts")(value) is accepted
    assert VALIDATOR.is_valid(value) is accepted
