"""The key of a remembered decision: different questions never share one, and the same question always does."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.decision.cache_key import SHORT, Question, encoded, without_undeclared
from sidegate.decision.cache_key import question_of as question_of_pack
from sidegate.model.question import Consistency, Request, Requirement, Resource, Subject
from sidegate.policy.pack.claims import DeclaredClaims
from support.unhurried import unhurried

# Few values, so that two of them are often nearly the same, and sometimes the same.
_names = st.sampled_from(["", "a", "b", "a:b"])
_scalars = st.sampled_from([None, True, False, 0, 1, 1.0, 0.0, -0.0, "", "1", "a"])
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_names, inner, max_size=2), max_leaves=3
)
_maps = st.just({}) | st.dictionaries(_names, _values, max_size=2)
requests = st.builds(
    Request,
    _names,
    st.builds(Subject, _names, _names, properties=_maps),
    _names,
    st.builds(Resource, _names, _names, _maps),
    _maps,
)
_one_apart = st.tuples(requests, requests, st.sampled_from(["tenant", "subject", "action", "resource", "context"])).map(
    lambda drawn: (drawn[0], replace(drawn[0], **{drawn[2]: getattr(drawn[1], drawn[2])}))
)
NAMES = ("", "a", "a:b", "b", "x", "y")
ALL = DeclaredClaims(NAMES, dict.fromkeys(("", "a", "a:b", "b", "document"), NAMES), NAMES)
SOME = DeclaredClaims(("a",), {"a": ("b",), "b": ()}, ("", "a"))
ASKED = Request("acme", Subject("uma"), "view", Resource("document", "d1"))


def question_of(request: Request) -> Question:
    """Return the question that a request asks of a pack which declares all the claims."""
    return question_of_pack(request, ALL)


def typed(value: object) -> object:
    """Return a value by the `repr` of its parts, type by type, whatever the order of maps."""
    if isinstance(value, dict):
        return "map", sorted((name, repr(typed(inner))) for name, inner in value.items())
    if isinstance(value, list):
        return "list", [typed(inner) for inner in value]
    return type(value).__name__, repr(value)


def parts(request: Request) -> object:
    """Return all that a decision may depend on, by another way than the one under test."""
    subject, resource = request.subject, request.resource
    names = request.tenant, subject.type, subject.id, request.action, resource.type, resource.id
    return repr((names, *map(typed, (dict(subject.properties), dict(resource.properties), dict(request.context)))))


@given(_one_apart)
@unhurried
def test_two_requests_share_a_key_only_where_all_inputs_are_the_same(pair):
    """Of any two requests that differ in one field or none the keys are equal exactly where every typed input is."""
    one, other = pair
    same = parts(one) == parts(other)
    assert (question_of(one) == question_of(other)) is same
    assert (encoded(question_of(one)) == encoded(question_of(other))) is same


@given(requests)
@unhurried
def test_the_same_request_made_again_has_the_same_key(request):
    """A map's order, and objects that are equal and not the same, make no difference."""
    again = Request(
        request.tenant,
        Subject(request.subject.id, request.subject.type, dict(reversed(request.subject.properties.items()))),
        request.action,
        Resource(request.resource.type, request.resource.id, dict(reversed(request.resource.properties.items()))),
        dict(reversed(request.context.items())),
    )
    assert question_of(again) == question_of(request)
    assert hash(question_of(again)) == hash(question_of(request))
    assert encoded(question_of(again)) == encoded(question_of(request))


def only(claims: dict, names: tuple[str, ...]) -> dict:
    return {name: value for name, value in claims.items() if name in names}


def as_some_see(request: Request) -> Request:
    """Return a request without the claims that `SOME` does not declare, by another way than the one under test."""
    subject, resource = request.subject, request.resource
    return Request(
        request.tenant,
        Subject(subject.id, subject.type, only(subject.properties, SOME.subject)),
        request.action,
        Resource(resource.type, resource.id, only(resource.properties, SOME.resources.get(resource.type, ()))),
        only(request.context, SOME.context),
    )


@given(_one_apart)
@unhurried
def test_undeclared_claims_are_never_part_of_the_key_and_declared_ones_always_are(pair):
    """The keys of two requests are equal exactly where what the pack declares of them is; a missing claim is no value.

    A request that is stripped of the undeclared claims asks the same question, and has no others left.
    """
    one, other = pair
    same = parts(as_some_see(one)) == parts(as_some_see(other))
    assert (question_of_pack(one, SOME) == question_of_pack(other, SOME)) is same
    stripped = without_undeclared(one, SOME)
    assert question_of_pack(stripped, SOME) == question_of_pack(one, SOME)
    assert parts(stripped) == parts(as_some_see(one))


@pytest.mark.parametrize("length", [1, SHORT, 100_000])
def test_a_key_is_small_whatever_is_claimed(length):
    """Claims take up a fixed number of characters or bytes, and two long ones that differ at the end differ."""
    one, other = ("x" * length + end for end in "ab")
    keys = {question_of(replace(ASKED, context={"x": text, "z" * length: text})) for text in (one, other)}
    assert len(keys) == 2
    assert all(len(key[-1]) <= SHORT for key in keys)


LOOKALIKES: list[object] = [
    None,
    "",
    "1",
    1,
    1.0,
    True,
    "True",
    "true",
    0,
    0.0,
    -0.0,
    False,
    "null",
    2**53,
    float(2**53),
    2**63,
    -1,
    -(2**64),
    float("nan"),
    float("inf"),
    [],
    [[]],
    [None],
    {},
    [{}],
    {"": None},
    {"": ""},
    {"": {}},
    ["a", "b"],
    ["ab"],
    ["a,b"],
    ["a", ["b"]],
    [["a"], "b"],
    [["a", "b"]],
    {"a": "b"},
    {"a": ["b"]},
    {"a": {"b": None}},
    {"a": None, "b": None},
    ["a", None, "b", None],
    "é",
    "e\u0301",
    "\u212b",
    "\u00c5",
    "ß",
    "ss",
    "a\0b",
    "a\0",
    "\ud800",
]


@pytest.mark.parametrize(
    "place",
    [
        lambda value: replace(ASKED, context={"x": value}),
        lambda value: replace(ASKED, subject=Subject("uma", properties={"x": value})),
        lambda value: replace(ASKED, resource=Resource("document", "d1", {"x": [value]})),
    ],
)
def test_values_that_look_alike_are_different(place):
    """No type is taken for another, no nesting for another, and no letter for another form of it."""
    asked = [place(value) for value in LOOKALIKES]
    assert len({question_of(request) for request in asked}) == len(asked)
    assert len({encoded(question_of(request)) for request in asked}) == len(asked)


def test_text_that_moves_from_one_field_to_the_next_makes_another_key():
    """Neither separators in names, nor empty ones, nor a property in another place let two questions meet."""
    x = {"x": 1}
    asked = [
        ASKED,
        Request("acm", Subject("uma", "emember"), "view", Resource("document", "d1")),
        Request("acme", Subject("uma:view"), "", Resource("document", "d1")),
        Request("acme", Subject("uma"), "view:document", Resource("", "d1")),
        Request("acme", Subject("uma"), "view", Resource("document:d1", "")),
        Request("acme", Subject("uma"), "view", Resource("document", "d1\0")),
        Request("acme", Subject("member", "uma"), "view", Resource("document", "d1")),
        # What begins a text in the encoding is a letter that a text may hold.
        Request("as", Subject("uma", ""), "view", Resource("document", "d1")),
        Request("a", Subject("uma", "s"), "view", Resource("document", "d1")),
        replace(ASKED, context=x),
        replace(ASKED, subject=Subject("uma", properties=x)),
        replace(ASKED, resource=Resource("document", "d1", x)),
        replace(ASKED, context={"x": 1, "y": 1}),
        replace(ASKED, context={"x": {"y": 1}}),
        replace(ASKED, context={"": ""}),
        replace(ASKED, context=x, subject=Subject("uma", properties=x)),
    ]
    for one, other in itertools.combinations(asked, 2):
        assert question_of(one) != question_of(other)
        assert encoded(question_of(one)) != encoded(question_of(other))


def test_freshness_and_id_are_no_part_of_the_question():
    """What is asked of freshness decides which revision answers, and that has its own place in the key."""
    fresh = replace(ASKED, consistency=Consistency(Requirement.FULLY_CONSISTENT, max_staleness=1), id="x-1")
    assert question_of(fresh) == question_of(ASKED)


def test_what_is_no_json_is_refused():
    """A value of a type that was not thought of has no key, rather than one that it may share."""
    with pytest.raises(TypeError, match="not a JSON value"):
        question_of(replace(ASKED, context={"x": (1, 2)}))
