"""What happens to an error at the API boundary: the log gets all of it, the client what helps the client."""

from __future__ import annotations

import secrets

from google.rpc.status_pb2 import Status

from sidegate.errors import (
    EngineError,
    InvalidInput,
    PackError,
    RuleFailed,
    SchemaChanged,
    SidegateError,
    StoreBusy,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from sidegate.server.calls.status import UNEXPECTED, entry_of, status_of
from sidegate.telemetry.logging import get_log

_BROKEN_POLICY = (EngineError, PackError)
_STORE_EVENTS = {
    StoreFull: "store full",
    StoreReadOnly: "store read-only",
    StoreBusy: "store busy",
    SchemaChanged: "schema changed",
}
_log = get_log("server")


def report_error(error: BaseException, *, call: str) -> Status:
    """Log an error of a call at the level of its kind, and return the status for the client."""
    if entry_of(error) is UNEXPECTED:
        return _logged(error, call, traceback=True)
    # A rule that failed was logged, within a bound, where it was evaluated.
    if isinstance(error, _BROKEN_POLICY) and not isinstance(error, RuleFailed):
        return _logged(error, call, traceback=False)
    if isinstance(error, StoreUnavailable | SchemaChanged):
        _log.warning(_STORE_EVENTS.get(type(error), "store unavailable"), call=call, error=str(error))
    elif isinstance(error, InvalidInput):
        # The messages quote values of the request; the names of its fields are enough to find the caller's mistake.
        _log.debug("call refused", call=call, fields=[violation.field for violation in error.violations])
    else:
        _log.debug("call failed", call=call, reason=_reason(error))
    return status_of(error)


def _logged(error: BaseException, call: str, *, traceback: bool) -> Status:
    log_id = secrets.token_hex(6)
    if traceback:
        _log.error("unexpected error", call=call, log_id=log_id, exc_info=error)
    else:
        _log.error("policy can't be evaluated", call=call, log_id=log_id, reason=_reason(error), error=str(error))
    return status_of(error, log_id=log_id)


def _reason(error: BaseException) -> str:
    return error.reason if isinstance(error, SidegateError) else "INTERNAL"
