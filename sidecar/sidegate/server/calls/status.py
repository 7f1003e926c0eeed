"""The one table from errors to what clients get: a gRPC code, a text, and machine-readable details.

An error means "could not decide". Texts of drivers and of the interpreter never leave the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.code_pb2 import (
    ABORTED,
    ALREADY_EXISTS,
    DEADLINE_EXCEEDED,
    FAILED_PRECONDITION,
    INTERNAL,
    INVALID_ARGUMENT,
    NOT_FOUND,
    PERMISSION_DENIED,
    RESOURCE_EXHAUSTED,
    UNAUTHENTICATED,
    UNAVAILABLE,
)
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from sidegate.errors import (
    AlreadyExists,
    CallerRefused,
    EngineError,
    FactsError,
    FaultyFiles,
    InvalidInput,
    IssuerUnavailable,
    LostRevision,
    MessageTimeout,
    MessageTooLarge,
    NotFound,
    NotInTime,
    NotPermitted,
    NotPossible,
    Overloaded,
    PackError,
    RevisionConflict,
    RuleFailed,
    SchemaChanged,
    SidegateError,
    StaleEtag,
    Stopping,
    StoreBusy,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    TooManyWatchers,
    TooStale,
    Unauthenticated,
    Unavailable,
    Violation,
)
from sidegate.model.identifiers import visible

DOMAIN = "sidegate"
# gRPC carries a status in trailers, of which common clients take 8 KiB, percent-encoded text and base64 included.
_MAX_TEXT_BYTES = 1_200
_MAX_VIOLATION_BYTES = 3_600


@dataclass(frozen=True, slots=True)
class Entry:
    """What clients get for a kind of error: `text` None means its own; `retry` in seconds, 0 where none helps."""

    code: int
    text: str | None = None
    retry: float = 0.0


# An EngineError is FAILED_PRECONDITION: the pack, which neither the caller nor a retry can repair, is in a state in
# which this question has no answer. INTERNAL is only for errors of Sidegate itself, so that alerts can separate them.
TABLE: Mapping[type[SidegateError], Entry] = {
    InvalidInput: Entry(INVALID_ARGUMENT),
    FactsError: Entry(INVALID_ARGUMENT),
    PackError: Entry(FAILED_PRECONDITION, "could not decide: the policy pack of this tenant does not load"),
    EngineError: Entry(FAILED_PRECONDITION, "could not decide: the policy can't be evaluated for this request"),
    RuleFailed: Entry(FAILED_PRECONDITION),
    TooStale: Entry(UNAVAILABLE, retry=0.5),
    LostRevision: Entry(UNAVAILABLE),
    StoreUnavailable: Entry(UNAVAILABLE, "the store does not answer; try again", retry=1.0),
    StoreFull: Entry(RESOURCE_EXHAUSTED),
    StoreReadOnly: Entry(UNAVAILABLE),
    StoreBusy: Entry(UNAVAILABLE, retry=0.5),
    SchemaChanged: Entry(UNAVAILABLE),
    IssuerUnavailable: Entry(UNAVAILABLE, retry=1.0),
    NotInTime: Entry(UNAVAILABLE, retry=1.0),
    Stopping: Entry(UNAVAILABLE, retry=1.0),
    Unavailable: Entry(UNAVAILABLE, "could not decide or write now; try again", retry=1.0),
    Unauthenticated: Entry(UNAUTHENTICATED),
    CallerRefused: Entry(PERMISSION_DENIED),
    NotPermitted: Entry(PERMISSION_DENIED),
    NotFound: Entry(NOT_FOUND),
    AlreadyExists: Entry(ALREADY_EXISTS),
    StaleEtag: Entry(ABORTED),
    NotPossible: Entry(FAILED_PRECONDITION),
    MessageTimeout: Entry(DEADLINE_EXCEEDED),
    TooManyWatchers: Entry(RESOURCE_EXHAUSTED, retry=5.0),
    MessageTooLarge: Entry(RESOURCE_EXHAUSTED),
    Overloaded: Entry(RESOURCE_EXHAUSTED, retry=1.0),
    RevisionConflict: Entry(ABORTED, "another writer changed the tenant first; read again and retry", retry=0.1),
}
UNEXPECTED = Entry(INTERNAL, "something went wrong inside sidegate; its log has the details")


def status_of(error: BaseException, *, log_id: str = "") -> Status:
    """Return the status that reports an error to a client; `log_id` names the log line that has the details."""
    entry = entry_of(error)
    known = entry is not UNEXPECTED
    violations = tuple(_violations(error)) if known else ()
    text = entry.text if entry.text is not None else _own_text(error, violations)
    info = ErrorInfo(reason=error.reason if known and isinstance(error, SidegateError) else "INTERNAL", domain=DOMAIN)
    if known and isinstance(error, SidegateError):
        info.metadata.update(error.metadata)
    details: list[Message] = [info]
    if log_id:
        info.metadata["log_id"] = log_id
    if violations:
        info.metadata["violations"] = str(len(violations))
        details.append(_bad_request(violations))
    retry = error.retry_after if isinstance(error, Overloaded) else entry.retry
    if retry:
        details.append(RetryInfo(retry_delay=Duration(nanos=round(retry % 1 * 1e9), seconds=int(retry))))
    status = Status(code=entry.code, message=_fitting(visible(text)))
    for detail in details:
        status.details.add().Pack(detail)
    return status


def entry_of(error: BaseException) -> Entry:
    """Return the table's entry for the nearest kind of an error."""
    for kind in type(error).__mro__:
        if kind in TABLE:
            return TABLE[kind]
    return UNEXPECTED


def _violations(error: BaseException) -> Iterable[Violation]:
    if isinstance(error, InvalidInput):
        return error.violations
    if isinstance(error, FactsError):
        return (Violation(fault.key, str(fault)) for fault in error.faults)
    return ()


def _own_text(error: BaseException, violations: tuple[Violation, ...]) -> str:
    if not violations:
        return str(error)
    first = violations[0]
    text = first.message if isinstance(error, FaultyFiles) or not first.field else f"{first.field}: {first.message}"
    return text if len(violations) == 1 else f"{text} (and {len(violations) - 1} more)"


def _bad_request(violations: tuple[Violation, ...]) -> BadRequest:
    """Return the violations, up to what trailers carry; the last one says how many are left out."""
    message = BadRequest()
    size = 0
    for position, violation in enumerate(violations):
        made = BadRequest.FieldViolation(field=visible(violation.field), description=visible(violation.message))
        size += made.ByteSize() + 4
        if size > _MAX_VIOLATION_BYTES:
            left_out = f"{len(violations) - position} more violations are left out here"
            message.field_violations.add(field=_fitting(visible(violation.field)), description=left_out)
            break
        message.field_violations.append(made)
    return message


def _fitting(text: str) -> str:
    """Return the text, cut to what a trailer carries once it is percent-encoded."""
    if len(quote(text)) <= _MAX_TEXT_BYTES:
        return text
    while len(quote(text)) > _MAX_TEXT_BYTES - len(quote("…")):
        text = text[: len(text) * 3 // 4]
    return text + "…"
