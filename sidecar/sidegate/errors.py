"""The errors of Sidegate; foreign exceptions become one of these where they enter.

SidegateError
├── InvalidInput            a request or document is wrong; names every field at once
├── FaultyFiles             files are wrong; names every file and line at once
│   ├── PackError           a pack does not load
│   ├── FactsError          a facts document is refused
│   ├── PolicyTestError     a policy test file is wrong
│   └── SettingsError       settings are wrong
├── EngineError             the engine can't compile or decide
│   ├── ModelError          the Casbin model is wrong
│   ├── RowError            a policy row is wrong
│   ├── RequestError        a request does not fit the model
│   └── EvaluationError     a matcher or condition can't be evaluated
├── Unavailable             could not decide or write now; the same call may succeed later
│   ├── StoreUnavailable    the store does not answer
│   └── TooStale            the facts in memory are older than the bound
├── RevisionConflict        another writer came first
└── StartError              the server can't start: port, path or file
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field of a request: its path, and what would be right."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in a file: where it stands (`line` counts from 1, 0 where unknown) and what would be right."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        """Return `file:line: key: message`, leaving out what is unknown."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)


class SidegateError(Exception):
    """The root of all errors that Sidegate raises on purpose; `reason` is the code that clients see."""

    reason: ClassVar[str] = "INTERNAL"


class InvalidInput(SidegateError):
    """A request is wrong; `violations` names every field at once."""

    reason = "INVALID_INPUT"

    def __init__(self, *violations: Violation) -> None:
        self.violations = violations
        super().__init__("; ".join(f"{v.field}: {v.message}" for v in violations))


class FaultyFiles(SidegateError):
    """Files are wrong; `faults` names every place at once."""

    reason = "FAULTY_FILES"

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("\n".join(map(str, faults)))


class PackError(FaultyFiles):
    """A pack does not load."""

    reason = "PACK_FAULTY"


class FactsError(FaultyFiles):
    """A facts document is refused; nothing of it was written."""

    reason = "FACTS_FAULTY"


class PolicyTestError(FaultyFiles):
    """A policy test file is wrong."""

    reason = "POLICY_TEST_FAULTY"


class SettingsError(FaultyFiles):
    """The settings are wrong; `key` of each fault is the setting's name."""

    reason = "SETTINGS_FAULTY"


class EngineError(SidegateError):
    """The engine can't compile or decide; never an allow."""

    reason = "ENGINE_ERROR"


class ModelError(EngineError):
    """The Casbin model is wrong; `line` counts from 1, 0 where unknown."""

    reason = "MODEL_FAULTY"

    def __init__(self, message: str, *, line: int = 0) -> None:
        self.line = line
        super().__init__(message)


class RowError(EngineError):
    """A policy row is wrong; `ordinal` counts the given rows from 0, -1 where unknown."""

    reason = "ROW_FAULTY"

    def __init__(self, message: str, *, ordinal: int = -1) -> None:
        self.ordinal = ordinal
        super().__init__(message)


class RequestError(EngineError):
    """A request does not fit the model's request definition."""

    reason = "REQUEST_FAULTY"


class EvaluationError(EngineError):
    """A matcher or a rule's condition can't be evaluated for this request."""

    reason = "EVALUATION_FAILED"


class Unavailable(SidegateError):
    """Could not decide or write now; the same call may succeed later."""

    reason = "UNAVAILABLE"


class StoreUnavailable(Unavailable):
    """The store does not answer, or refused the connection."""

    reason = "STORE_UNAVAILABLE"


class TooStale(Unavailable):
    """The facts in memory are older than the promised bound, or than the revision asked for."""

    reason = "TOO_STALE"


class RevisionConflict(SidegateError):
    """Another writer changed the tenant first; read again and retry."""

    reason = "REVISION_CONFLICT"


class StartError(SidegateError):
    """The server can't start: a port in use, an unwritable path, a missing file."""

    reason = "START_FAILED"
