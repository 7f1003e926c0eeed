"""Messages in, values out: faithful where they are right, InvalidInput where they are wrong."""

import math
from dataclasses import replace

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from hypothesis import given
from hypothesis import strategies as st

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.errors import InvalidInput
from sidegate.model.decision import Decision, Obligation
from sidegate.model.identifiers import invisible_character
from sidegate.model.question import Consistency, Request, Requirement, Resource, Subject
from sidegate.model.revision import Revision
from sidegate.server.wire.checks import CheckCodec, read_decision, write_check
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.validation import Limits

TOKENS = RevisionTokens(b"0123456789abcdef")
CODEC = CheckCodec(TOKENS)
GOOD = Request("acme", Subject("tina"), "view", Resource("document", "d1"))

_END = r"[^\s\ufeff*\x00-\x1f\x7f-\x9f]"
ids = st.from_regex(rf"{_END}([^*\x00-\x1f\x7f-\x9f]{{0,40}}{_END})?", fullmatch=True).filter(
    lambda text: not invisible_character(text)
)
words = st.from_regex(r"[a-z][a-z0-9_]{0,63}", fullmatch=True)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
keys = st.text(min_size=1, max_size=8).filter(lambda text: not invisible_character(text))
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=6
)


def depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


properties = st.dictionaries(keys, values, max_size=4).filter(lambda p: depth(p) <= 5)
requirements = st.sampled_from(
    [
        Consistency(),
        Consistency(Requirement.FULLY_CONSISTENT),
        Consistency(Requirement.AT_LEAST_AS_FRESH, revision=Revision(41, 5)),
        Consistency(max_staleness=2.5),
        Consistency(Requirement.FULLY_CONSISTENT, max_staleness=0.0),
    ]
)
requests = st.builds(
    Request,
    tenant=ids,
    subject=st.builds(Subject, id=ids, type=words, properties=properties),
    action=words,
    resource=st.builds(Resource, type=words, id=ids | st.just("*"), properties=properties),
    context=properties,
    consistency=requirements,
)


def fields_of(message: pb.CheckRequest, codec: CheckCodec = CODEC) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        codec.read(message)
    return {violation.field: violation.message for violation in caught.value.violations}


def read_or_refused(message: pb.CheckRequest) -> Request | InvalidInput:
    try:
        return CODEC.read(message)
    except InvalidInput as error:
        return error


@given(requests)
def test_a_question_survives_the_wire(request: Request) -> None:
    """What a client writes is what the server reads, value by value, after the way through bytes."""
    token = TOKENS.encode(request.tenant, request.consistency.revision)
    wire = write_check(request, revision=token).SerializeToString()
    read = CODEC.read(pb.CheckRequest.FromString(wire))

    assert replace(read, id="") == request


@given(requests)
def test_whole_numbers_are_integers(request: Request) -> None:
    """No whole number up to 2^53 comes out of a Struct as a float, and none that isn't whole as an int."""

    def check(value: object) -> None:
        if isinstance(value, float):
            assert not value.is_integer() or abs(value) > 2**53
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            check(inner)

    check(dict(CODEC.read(write_check(replace(request, consistency=Consistency()))).context))


raw_structs = st.deferred(
    lambda: st.builds(
        lambda fields: Struct(fields=fields), st.dictionaries(st.text(max_size=5), raw_values, max_size=3)
    )
)
raw_values = st.deferred(
    lambda: (
        st.builds(Value)
        | st.builds(lambda n: Value(number_value=n), st.floats())
        | st.builds(lambda s: Value(string_value=s), st.text(max_size=5))
        | st.builds(lambda s: Value(struct_value=s), raw_structs)
        | st.builds(lambda v: Value(list_value=ListValue(values=v)), st.lists(raw_values, max_size=3))
    )
)
raw_consistencies = st.builds(
    pb.Consistency,
    minimize_latency=st.none() | st.booleans(),
    max_staleness=st.none()
    | st.builds(Duration, seconds=st.integers(-(2**63), 2**63 - 1), nanos=st.integers(-(2**31), 2**31 - 1)),
) | st.builds(pb.Consistency, at_least_as_fresh=st.text(max_size=40))
raw_requests = st.builds(
    pb.CheckRequest,
    tenant=st.text(max_size=5) | ids,
    subject=st.none() | st.builds(pb.Subject, type=st.text(max_size=3), id=st.text(max_size=5), properties=raw_structs),
    action=st.text(max_size=5) | words,
    resource=st.none() | st.builds(pb.Resource, type=st.text(max_size=3), id=ids, properties=raw_structs),
    context=raw_structs,
    consistency=raw_consistencies,
)


@given(raw_requests)
def test_any_message_is_read_or_refused(message: pb.CheckRequest) -> None:
    """Whatever the fields hold, reading gives a Request or InvalidInput with a message for each field."""
    outcome = read_or_refused(message)

    if isinstance(outcome, Request):
        assert outcome.tenant == message.tenant
    else:
        assert outcome.violations
        assert all(v.field and v.message and v.message.isprintable() for v in outcome.violations)


@given(st.binary(max_size=60) | raw_requests.map(lambda m: m.SerializeToString()))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """Bytes that make a message at all are read or refused as InvalidInput, never another error."""
    try:
        message = pb.CheckRequest.FromString(raw)
    except DecodeError:
        return
    outcome = read_or_refused(message)

    assert isinstance(outcome, Request) or outcome.violations


@pytest.mark.parametrize(
    "identifier", ["", " a", "a ", "a\u00a0", "a*", "*", "\x00", "a\nb", "a\x7f", "a\x85b", "x" * 257]
)
def test_a_wrong_identifier_is_named(identifier: str) -> None:
    """Empty, over-long, starred, padded and control-character identifiers are refused in every place."""
    found = fields_of(
        pb.CheckRequest(
            tenant=identifier,
            subject=pb.Subject(id=identifier),
            action="view",
            resource=pb.Resource(type="document", id="d*" if identifier == "*" else identifier),
        )
    )

    assert set(found) == {"tenant", "subject.id", "resource.id"}
    assert "1 to 256 characters" in found["tenant"]


@pytest.mark.parametrize("identifier", ["a", "x" * 256, "a b", "héloïse@acme.example", "a:b/c", "名前"])
def test_a_right_identifier_passes(identifier: str) -> None:
    """Spaces inside, colons, and letters of any script are fine, up to the limit itself."""
    request = CODEC.read(write_check(replace(GOOD, subject=Subject(identifier))))

    assert request.subject.id == identifier


def test_only_the_resource_may_be_the_type_as_a_whole() -> None:
    """`*` is a resource's ID, but no subject's and no tenant's."""
    assert CODEC.read(write_check(replace(GOOD, resource=Resource("document", "*")))).resource.id == "*"
    assert set(fields_of(write_check(replace(GOOD, tenant="*", subject=Subject("*"))))) == {"tenant", "subject.id"}


@pytest.mark.parametrize("word", ["View", "view ", "1st", "_x", "vïew", "view-all", "*", "x" * 65])
def test_a_wrong_word_is_named(word: str) -> None:
    """Types and actions outside the grammar are refused, and the message shows a right one."""
    found = fields_of(
        write_check(Request("acme", Subject("tina", type=word), action=word, resource=Resource(word, "d1")))
    )

    assert set(found) == {"subject.type", "action", "resource.type"}
    assert "such as `view`" in found["action"]


def test_a_value_in_a_message_is_short_and_visible() -> None:
    """Messages quote what was sent, cut and with control characters escaped."""
    found = fields_of(write_check(replace(GOOD, tenant="\x1b[31m" + "x" * 5000)))

    assert found["tenant"].startswith(r"`\x1b[31mxxx")
    assert len(found["tenant"]) < 300


def nested(levels: int) -> dict[str, object]:
    return {"a": nested(levels - 1)} if levels > 1 else {"a": 1}


@pytest.mark.parametrize(
    ("field", "right", "wrong", "place"),
    [
        ("depth", nested(5), nested(6), "context.a.a.a.a.a"),
        ("depth in lists", {"a": [[[[1]]]]}, {"a": [[[[[]]]]]}, "context.a[0][0][0][0]"),
        ("keys", {str(n): n for n in range(100)}, {str(n): n for n in range(101)}, "context"),
        ("keys in all", {"a": {str(n): n for n in range(99)}}, {"a": {str(n): n for n in range(100)}}, "context"),
        ("items", {"a": [0] * 1000}, {"a": [0] * 999, "b": [0, 0]}, "context"),
        ("text", {"a": "x" * 4096}, {"a": ["x" * 4097]}, "context.a[0]"),
        ("key", {"k" * 256: 1}, {"": 1}, 'context[""]'),
        ("number", {"a": 1e308}, {"a": math.inf}, "context.a"),
        ("not a number", {"a": -1e308}, {"odd key\n": math.nan}, r'context["odd key\n"]'),
        ("visible key", {"a b": {"é": 1}}, {"a b": {"e\u200b": 1}}, r'context["a b"]["e\u200b"]'),
    ],
)
def test_properties_have_limits(field: str, right, wrong, place: str) -> None:
    """The limit itself passes; what is past it is refused with the path of the value."""
    assert CODEC.read(write_check(replace(GOOD, context=right))).context == right, field
    assert set(fields_of(write_check(replace(GOOD, context=wrong)))) == {place}


def test_properties_are_checked_in_all_three_places() -> None:
    """Subject, resource and context each have the path of their own field."""
    wrong = {"a": {"b": math.nan}}
    found = fields_of(
        write_check(
            replace(
                GOOD,
                subject=Subject("tina", properties=wrong),
                resource=Resource("document", "d1", wrong),
                context=wrong,
            )
        )
    )

    assert set(found) == {"subject.properties.a.b", "resource.properties.a.b", "context.a.b"}


def test_all_properties_of_a_request_share_a_limit_in_bytes() -> None:
    """Fields that are each within their limits are refused together, from the one on that is too much."""
    large = {str(n): "x" * 4096 for n in range(9)}
    right = replace(GOOD, subject=Subject("tina", properties=large), context=dict(list(large.items())[:6]))
    assert CODEC.read(write_check(right)).context == right.context
    found = fields_of(write_check(replace(right, resource=Resource("document", "d1", large))))

    assert set(found) == {"resource.properties", "context"}
    assert "at most 65536 bytes of properties in one request" in found["context"]


def test_a_value_without_a_kind_is_refused() -> None:
    """A Value in which nothing is set is a fault of the client, not a null."""
    message = write_check(GOOD)
    message.context.fields["a"].CopyFrom(Value())

    assert set(fields_of(message)) == {"context.a"}


@pytest.mark.parametrize(
    ("consistency", "field"),
    [
        (pb.Consistency(minimize_latency=False), "minimize_latency"),
        (pb.Consistency(fully_consistent=False), "fully_consistent"),
        (pb.Consistency(at_least_as_fresh="41"), "at_least_as_fresh"),
        (pb.Consistency(max_staleness=Duration(seconds=-1)), "max_staleness"),
        (pb.Consistency(max_staleness=Duration(nanos=-1)), "max_staleness"),
        (pb.Consistency(max_staleness=Duration(seconds=2, nanos=10**9)), "max_staleness"),
    ],
)
def test_a_wrong_consistency_is_named(consistency: pb.Consistency, field: str) -> None:
    """A false requirement, a foreign token and a negative duration are refused by their field."""
    message = write_check(GOOD)
    message.consistency.CopyFrom(consistency)

    assert set(fields_of(message)) == {f"consistency.{field}"}


def test_limits_can_be_set() -> None:
    """A codec with other limits holds requests to those."""
    narrow = CheckCodec(TOKENS, Limits(identifier_length=3, keys=0))

    found = fields_of(write_check(replace(GOOD, context={"a": 1})), narrow)
    assert set(found) == {"tenant", "subject.id", "context"}
    assert "1 to 3 characters" in found["tenant"]


def test_decision_ids_never_repeat_even_across_processes() -> None:
    """Each question gets an ID of its own, and two servers don't share any."""
    one, other = CheckCodec(TOKENS), CheckCodec(TOKENS)
    ids_made = [codec.read(write_check(GOOD)).id for _ in range(100) for codec in (one, other)]

    assert len(set(ids_made)) == 200


@given(
    st.builds(
        Decision,
        allowed=st.booleans(),
        reason=words,
        rule=st.text(max_size=6),
        policy_digest=st.text(max_size=6),
        obligations=st.lists(st.builds(Obligation, id=words, parameters=properties), max_size=2).map(tuple),
    )
)
def test_an_answer_survives_the_wire(decision: Decision) -> None:
    """What was decided is what a client reads; only the revision stays a token."""
    message = pb.CheckResponse.FromString(CODEC.write(GOOD, decision).SerializeToString())

    assert read_decision(message) == decision


def test_an_unspecified_decision_reads_as_a_deny() -> None:
    """An answer without a decision, or with one from the future, allows nothing."""
    assert not read_decision(pb.CheckResponse()).allowed
    assert not read_decision(pb.CheckResponse(decision=3)).allowed
