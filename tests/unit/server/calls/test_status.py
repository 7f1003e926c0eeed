"""The table from errors to what clients get."""

from google.rpc.code_pb2 import FAILED_PRECONDITION, INTERNAL, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAVAILABLE, Code
from hypothesis import given
from hypothesis import strategies as st

import sidegate.errors
from sidegate.errors import (
    EngineError,
    EvaluationError,
    FactsError,
    Fault,
    InvalidInput,
    NotFound,
    Overloaded,
    RowError,
    SidegateError,
    StoreUnavailable,
    TooStale,
    Unavailable,
    Violation,
)
from sidegate.server.calls.status import status_of
from support.servers.sidecar import taken_apart

TRAILER_BYTES = 8 * 1024


def kinds() -> list[type[SidegateError]]:
    found = [SidegateError]
    for kind in found:
        found += kind.__subclasses__()
    return [kind for kind in found if kind.__module__ == sidegate.errors.__name__]


def test_every_error_has_a_code_a_reason_and_the_domain() -> None:
    """Whatever error a room raises, a client gets a failing code, a stable reason and our domain."""
    for kind in kinds():
        status = status_of(kind("x") if issubclass(kind, EngineError) else kind())
        parts = taken_apart(status)
        assert status.code != Code.Value("OK"), kind
        assert parts.info.domain == "sidegate", kind
        assert parts.info.reason in {kind.reason, "INTERNAL"}, kind


def test_a_kind_without_an_entry_is_reported_as_its_parent() -> None:
    """The nearest entry up the tree decides, so a new kind of error is never reported as a success."""
    assert status_of(EvaluationError("x")).code == FAILED_PRECONDITION
    assert status_of(RowError("x")).code == status_of(EngineError("x")).code
    assert status_of(TooStale("x")).code == status_of(Unavailable("x")).code == UNAVAILABLE
    assert status_of(SidegateError("x")).code == INTERNAL


def test_what_is_inside_stays_inside() -> None:
    """Only texts made for clients leave: those of requests, documents and staleness."""
    assert "secret" not in str(status_of(ValueError("secret")))
    assert "secret" not in str(status_of(SidegateError("secret")))
    assert "secret" not in str(status_of(EvaluationError("secret")))
    assert "secret" not in str(status_of(StoreUnavailable("secret")))
    assert "12 s old" in status_of(TooStale("the facts are 12 s old")).message


def test_one_violation_is_the_message() -> None:
    """A client that looks only at the message learns the field and what would be right."""
    status = status_of(InvalidInput(Violation("action", "is empty: expected a word such as `view`")))

    assert status.code == INVALID_ARGUMENT
    assert status.message == "action: is empty: expected a word such as `view`"


def test_invisible_characters_are_escapes() -> None:
    """Whatever an error quotes acts on no terminal; what is visible stays, in any script."""
    found = taken_apart(status_of(NotFound("there is no `u\u202ema\u001b[2J` in `büro 東京`")))
    assert found.message == "there is no `u\\u202ema\\x1b[2J` in `büro 東京`"
    faulty = FactsError(Fault("a\u200b.yaml", 1, "tenants.x\u202e", "`y\u2028` is wrong"), Fault("a", 2, "b", "c"))
    found = taken_apart(status_of(faulty))
    shown = "a\\u200b.yaml:1: tenants.x\\u202e: `y\\u2028` is wrong"
    assert found.violations["tenants.x\\u202e"] == shown
    assert found.message == f"{shown} (and 1 more)"


def test_the_log_line_is_named() -> None:
    """Where the log knows more, the client gets the name of its line."""
    assert taken_apart(status_of(ValueError(), log_id="a1")).info.metadata["log_id"] == "a1"


@given(st.lists(st.text(max_size=500), min_size=1, max_size=200))
def test_a_status_fits_into_trailers(texts: list[str]) -> None:
    """Any number of violations and faults with any text fits, percent-encoded message and base64 details together."""
    for error in (
        InvalidInput(*(Violation(text, text) for text in texts)),
        FactsError(*(Fault(text, 1, text, text) for text in texts)),
        TooStale("".join(texts)),
    ):
        status = status_of(error)
        encoded = sum(1 if 0x20 <= byte <= 0x7E and byte != 0x25 else 3 for byte in status.message.encode())
        assert encoded + status.ByteSize() * 4 / 3 < TRAILER_BYTES


def test_a_refused_call_says_of_which_class_it_is_and_when_to_try_again() -> None:
    """What was refused for too many calls is RESOURCE_EXHAUSTED with a delay that depends on the load."""
    status = status_of(Overloaded("too many", "list", retry_after=1.25))
    parts = taken_apart(status)
    assert status.code == RESOURCE_EXHAUSTED
    assert (parts.info.reason, dict(parts.info.metadata)) == ("OVERLOADED", {"class": "list"})
    assert (parts.retry.retry_delay.seconds, parts.retry.retry_delay.nanos) == (1, 250_000_000)
