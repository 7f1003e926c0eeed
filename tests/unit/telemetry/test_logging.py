"""Logs: one line each, in one style, without what requests hold."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from sidegate.errors import EvaluationError, InvalidInput, StoreUnavailable, Violation
from sidegate.model.question import Request, Resource, Subject
from sidegate.server.calls.errors import report_error
from sidegate.telemetry.logging import LogFormat, configure_logging, get_log

REQUEST = Request("acme", Subject("tina", properties={"ssn": "secret"}), "view", Resource("document", "d1"))


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    logging.getLogger("sidegate").setLevel(logging.NOTSET)


def lines(style: LogFormat = LogFormat.JSON, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    configure_logging(style, level, stream=stream)
    return stream


def test_a_line_is_one_json_object() -> None:
    """Event, logger, level, time and the plain details are one object on one line."""
    stream = lines()
    get_log("server").info("listening", addresses=["127.0.0.1:1", "unix:/a"], ready=True)

    (line,) = stream.getvalue().splitlines()
    logged = json.loads(line)
    assert logged.pop("timestamp").endswith("Z")
    assert logged == {
        "event": "listening",
        "room": "server",
        "level": "info",
        "addresses": ["127.0.0.1:1", "unix:/a"],
        "ready": True,
    }


def test_libraries_log_in_the_same_style() -> None:
    """A line of the standard library's logging is the same kind of object, with its logger's name."""
    stream = lines()
    logging.getLogger("grpc.aio").warning("lost %s", "it")

    logged = json.loads(stream.getvalue())
    assert (logged["event"], logged["logger"], logged["level"]) == ("lost it", "grpc.aio", "warning")


def test_an_unconfigured_log_keeps_standard_output_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """Commands that configure nothing and print their answer get no log line between."""
    logging.getLogger().handlers.clear()
    get_log("server").info("ready")
    get_log("server").error("broken")

    assert capsys.readouterr().out == ""


def test_libraries_are_heard_from_warnings_up() -> None:
    """Routine messages of libraries do not hide those of the server."""
    stream = lines(level="debug")
    logging.getLogger("alembic").info("daily work")
    get_log("server").debug("detail")

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["detail"]


def test_the_level_holds_for_both() -> None:
    """What is below the level is not written, whichever logger it comes from."""
    stream = lines(level="error")
    get_log("server").warning("no")
    logging.getLogger("grpc").warning("no")

    assert stream.getvalue() == ""


@pytest.mark.parametrize("style", list(LogFormat))
def test_property_values_never_get_into_a_line(style: LogFormat) -> None:
    """A request, a mapping or anything else with structure is named by its type alone."""
    stream = lines(style)
    get_log("server").info("asked", request=REQUEST, properties={"ssn": "secret"}, listed=[{"ssn": "secret"}])

    assert "secret" not in stream.getvalue()
    assert "<Request>" in stream.getvalue()


@pytest.mark.parametrize("style", list(LogFormat))
def test_an_unforeseen_error_is_logged_with_its_traceback_and_no_variables(style: LogFormat) -> None:
    """The line has the traceback, the call and the name that the client was given, but no local variables."""
    stream = lines(style)

    def broken(request: Request) -> None:
        raise ZeroDivisionError(f"in {len(request.subject.properties)}")

    try:
        broken(REQUEST)
    except ZeroDivisionError as error:
        status = report_error(error, call="a.B/C")

    written = stream.getvalue()
    assert "in broken" in written
    assert "ZeroDivisionError" in written
    assert "a.B/C" in written
    assert "secret" not in written
    assert any(b"log_id" in detail.value for detail in status.details)


def test_a_broken_policy_is_an_error_in_the_log_and_a_refused_call_is_not() -> None:
    """Operators see broken policies and stores that don't answer; callers' mistakes are for debugging."""
    stream = lines()
    report_error(EvaluationError("`r.sub.age` is not there"), call="c")
    report_error(StoreUnavailable("connection refused"), call="c")
    report_error(InvalidInput(Violation("tenant", "`secret` is not right")), call="c")

    written = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["level"], line["event"]) for line in written] == [
        ("error", "policy can't be evaluated"),
        ("warning", "store unavailable"),
    ]
    assert written[0]["error"] == "`r.sub.age` is not there"


def test_a_refused_call_logs_its_fields_not_its_values() -> None:
    """Even for debugging, what the request held stays out."""
    stream = lines(level="debug")
    report_error(InvalidInput(Violation("tenant", "`secret` is not right")), call="c")

    assert json.loads(stream.getvalue())["fields"] == ["tenant"]
    assert "secret" not in stream.getvalue()


@pytest.mark.parametrize("style", LogFormat)
def test_characters_that_are_not_printable_are_escaped(style: LogFormat) -> None:
    """A value of a caller can neither begin a new line nor reverse the text after it."""
    stream = lines(style)
    get_log("server").info("refused", tenant="a\u202eb", names=["c\nd", 1])

    written = stream.getvalue()
    assert len(written.splitlines()) == 1
    assert "\u202e" not in written
    assert "u202e" in written
    assert "c\\nd" in written.replace("\\\\", "\\")
