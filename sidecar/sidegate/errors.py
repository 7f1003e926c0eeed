"""The errors of Sidegate; foreign exceptions become one of these where they enter.

SidegateError
├── InvalidInput            a request or document is wrong; names every wrong field
├── FaultyFiles             files are wrong; names every wrong file and line
│   ├── PackError           a pack does not load
│   ├── FactsError          a facts document is refused
│   ├── PolicyTestError     a policy test file is wrong
│   ├── CallersError        a caller file is wrong
│   └── SettingsError       settings are wrong
├── EngineError             the engine can't compile or decide
│   ├── ModelError          the Casbin model is wrong
│   ├── RowError            a policy row is wrong
│   ├── RequestError        a request does not fit the model
│   └── EvaluationError     a matcher or condition can't be evaluated
│       └── RuleFailed      the same, with the tenant, its pack, the rule and the properties
├── Unavailable             could not decide or write now; the same call may succeed later
│   ├── StoreUnavailable    the store does not answer, or can't do it now
│   │   ├── StoreFull       its disk or its limit of space is full
│   │   ├── StoreReadOnly   it accepts no writes
│   │   └── StoreBusy       other work holds its locks, connections or memory
│   ├── SchemaChanged       another version changed the schema of the store
│   ├── IssuerUnavailable   the keys of a token's issuer can't be read
│   ├── NotInTime           the store answers, but what a call needs was not read in time
│   ├── Stopping            the server stops
│   └── TooStale            the facts in memory are older than the bound
│       └── LostRevision    the requested revision is not in the store's history
├── Unauthenticated         the call has no credentials, or ones that are not valid
├── CallerRefused           the caller may not make this call
│   ├── CallerLacksRight    it does not have the right that the method needs
│   ├── TenantNotAllowed    it has the right, but not for this tenant
│   └── ActorNotAllowed     it may not act for this actor
├── NotPermitted            the tenant's pack does not let the actor do it
├── NotFound                what the request names does not exist
├── AlreadyExists           what the request would create exists
├── StaleEtag               what the request would change was changed since it was read
├── NotPossible             the state of the tenant forbids it
│   ├── WrongState          the member's status, the invitation's or the tenant's
│   ├── TenantSuspended     the tenant is suspended, and only the platform works on it
│   ├── SeatsTaken          all seats are taken
│   ├── LastHolder          a role that one must hold would be held by none
│   ├── DocumentsHeld       the member still holds documents, and the request doesn't say where they go
│   ├── QuotaExhausted      less quota is left than is needed
│   └── BuiltIn             a built-in role is neither changed nor copied
├── MessageTimeout          the message of a call did not arrive in time
├── TooManyWatchers         the maximum number of watchers is reached
├── MessageTooLarge         a message is larger than those of its method may be
├── Overloaded              too many calls of one class: this one was not begun
├── RevisionConflict        another writer came first
└── StartError              the server can't start: port, path or file
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field of a request: its path, and what is expected."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One error in a file: where it is (`line` counts from 1, 0 where unknown) and what is expected."""

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

    @property
    def metadata(self) -> Mapping[str, str]:
        """What clients receive besides the reason, by name."""
        return MappingProxyType({})


class InvalidInput(SidegateError):
    """A request is wrong; `violations` names every wrong field."""

    reason = "INVALID_INPUT"

    def __init__(self, *violations: Violation) -> None:
        self.violations = violations
        super().__init__("; ".join(f"{v.field}: {v.message}" for v in violations))


class FaultyFiles(SidegateError):
    """Files are wrong; `faults` names every place."""

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


class CallersError(FaultyFiles):
    """A caller file is wrong."""

    reason = "CALLERS_FAULTY"


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
    """A matcher or a rule's condition can't be evaluated for this request.

    `row` is the row that was evaluated, without its section; `properties` are those that the failing part reads: each
    the position of its value in the request and its name. Both are empty where that is not known.
    """

    reason = "EVALUATION_FAILED"

    def __init__(
        self, message: str = "", *, row: tuple[str, ...] = (), properties: tuple[tuple[int, str], ...] = ()
    ) -> None:
        self.row = row
        self.properties = properties
        super().__init__(message)


class RuleFailed(EvaluationError):
    """A rule of a tenant's pack can't be evaluated for this request.

    `rule` is "" where it is not known; `names` are the properties that the failing part reads, such as `context.ip`.
    The text holds no value of the request; `detail` may.
    """

    def __init__(
        self, detail: str = "", *, tenant: str = "", pack: str = "", rule: str = "", names: tuple[str, ...] = ()
    ) -> None:
        self.tenant = tenant
        self.pack = pack
        self.rule = rule
        self.names = names
        self.detail = detail
        what = f"rule `{rule}`" if rule else "the matcher"
        reads = ", ".join(f"`{name}`" for name in names)
        ending = f": check the value of {reads}" if reads else " for this request"
        super().__init__(f"could not decide: {what} of pack `{pack}` can't be evaluated{ending}")

    @property
    def metadata(self) -> Mapping[str, str]:
        """The pack, the rule, and the properties that the failing part of the rule reads."""
        found = {"pack": self.pack, "rule": self.rule, "property": ",".join(self.names)}
        return {name: value for name, value in found.items() if value}


class Unavailable(SidegateError):
    """Could not decide or write now; the same call may succeed later."""

    reason = "UNAVAILABLE"


class StoreUnavailable(Unavailable):
    """The store does not answer, or refused the connection."""

    reason = "STORE_UNAVAILABLE"


class StoreFull(StoreUnavailable):
    """The disk of the store, or a limit of its space, is full; a retry helps only after space was freed."""

    reason = "STORE_FULL"


class StoreReadOnly(StoreUnavailable):
    """The store accepts no writes: a standby, a file system or a setting makes it read-only."""

    reason = "STORE_READ_ONLY"


class StoreBusy(StoreUnavailable):
    """Other work holds the store's locks, connections or memory; a retry may succeed soon."""

    reason = "STORE_BUSY"


class SchemaChanged(Unavailable):
    """Another version of sidegate changed the schema of the store while this one ran; nothing is written."""

    reason = "SCHEMA_CHANGED"


class IssuerUnavailable(Unavailable):
    """The keys of a token's issuer can't be read; the text names the issuer as the caller file does."""

    reason = "ISSUER_UNAVAILABLE"


class NotInTime(Unavailable):
    """The store answers, but what the call needs was not read in time."""

    reason = "NOT_IN_TIME"


class Stopping(Unavailable):
    """The server stops; another one, or the next one here, may answer."""

    reason = "STOPPING"


class TooStale(Unavailable):
    """The facts in memory are older than the promised bound, or than the requested revision.

    `staleness` is their age in seconds, `behind` the number of revisions that are missing.
    """

    reason = "TOO_STALE"

    def __init__(self, message: str = "", *, staleness: float | None = None, behind: int = 0) -> None:
        self.staleness = staleness
        self.behind = behind
        super().__init__(message)

    @property
    def metadata(self) -> Mapping[str, str]:
        """How old the facts are, and how many revisions behind."""
        age = {} if self.staleness is None else {"staleness_seconds": f"{self.staleness:.3f}"}
        return {**age, "revisions_behind": str(self.behind)} if self.behind else age


class LostRevision(TooStale):
    """The requested revision is not in the store's history; waiting does not help."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """The metadata of TooStale, with `lost` as the revision."""
        return {**super().metadata, "revision": "lost"}


class Unauthenticated(SidegateError):
    """The call has no credentials, or ones that are not valid; the text holds nothing of them."""

    reason = "UNAUTHENTICATED"


class CallerRefused(SidegateError):
    """The caller may not make this call; whether the tenant exists plays no part in it."""

    reason = "CALLER_REFUSED"

    def __init__(self, message: str = "", *, caller: str = "", right: str = "", tenant: str = "") -> None:
        self.caller = caller
        self.right = right
        self.tenant = tenant
        super().__init__(message)

    @property
    def metadata(self) -> Mapping[str, str]:
        """The caller, the right that the call needs, and the tenant that it is not for."""
        found = {"caller": self.caller, "right": self.right, "tenant": self.tenant}
        return {name: value for name, value in found.items() if value}


class CallerLacksRight(CallerRefused):
    """The caller does not have the right that the method needs."""

    reason = "CALLER_LACKS_RIGHT"


class TenantNotAllowed(CallerRefused):
    """The caller has the right, but not for this tenant."""

    reason = "TENANT_NOT_ALLOWED"


class ActorNotAllowed(CallerRefused):
    """The caller may not act for this actor."""

    reason = "ACTOR_NOT_ALLOWED"


class NotPermitted(SidegateError):
    """The tenant's pack does not let the actor do it; `why` and `rule` are the decision's reason and rule."""

    reason = "NOT_PERMITTED"

    def __init__(self, message: str = "", *, why: str = "", rule: str = "") -> None:
        self.why = why
        self.rule = rule
        super().__init__(message)

    @property
    def metadata(self) -> Mapping[str, str]:
        """The decision's reason and rule."""
        return {name: value for name, value in (("reason", self.why), ("rule", self.rule)) if value}


class NotFound(SidegateError):
    """What the request names does not exist."""

    reason = "NOT_FOUND"


class AlreadyExists(SidegateError):
    """What the request would create already exists."""

    reason = "ALREADY_EXISTS"


class StaleEtag(SidegateError):
    """What the request would change was changed since it was read."""

    reason = "STALE_ETAG"


class NotPossible(SidegateError):
    """The state of the tenant forbids the call; it can't succeed until that state changes."""

    reason = "NOT_POSSIBLE"


class WrongState(NotPossible):
    """The status of the member or the tenant does not allow it, or the invitation is used, expired or withdrawn."""

    reason = "WRONG_STATE"


class TenantSuspended(NotPossible):
    """The tenant is suspended: until it is resumed, only the platform works on it."""

    reason = "TENANT_SUSPENDED"


class SeatsTaken(NotPossible):
    """All seats of the tenant are taken."""

    reason = "SEATS_TAKEN"


class LastHolder(NotPossible):
    """A role that exactly one must hold would be held by none."""

    reason = "LAST_HOLDER"


class DocumentsHeld(NotPossible):
    """The member still holds documents, and the request doesn't say where they go."""

    reason = "DOCUMENTS_HELD"

    def __init__(self, message: str = "", *, count: int = 0) -> None:
        self.count = count
        super().__init__(message)

    @property
    def metadata(self) -> Mapping[str, str]:
        """How many documents are held."""
        return {"documents": str(self.count)}


class QuotaExhausted(NotPossible):
    """Less quota is left than is needed."""

    reason = "QUOTA_EXHAUSTED"


class BuiltIn(NotPossible):
    """A built-in role is neither changed, deleted nor copied."""

    reason = "BUILT_IN_ROLE"


class MessageTimeout(SidegateError):
    """The message of a call did not arrive in time."""

    reason = "MESSAGE_TIMEOUT"


class TooManyWatchers(SidegateError):
    """The maximum number of watchers on this sidecar is reached."""

    reason = "TOO_MANY_WATCHERS"


class MessageTooLarge(SidegateError):
    """A message is larger than messages of its method may be; `limit` is in bytes."""

    reason = "MESSAGE_TOO_LARGE"

    def __init__(self, message: str = "", *, limit: int = 0) -> None:
        self.limit = limit
        super().__init__(message)

    @property
    def metadata(self) -> Mapping[str, str]:
        """The most bytes that are accepted."""
        return {"limit": str(self.limit)} if self.limit else {}


class Overloaded(SidegateError):
    """Too many calls of one class for this one to be answered in time; it was not begun.

    `call_class` is the class, `retry_after` the seconds after which a retry may succeed.
    """

    reason = "OVERLOADED"

    def __init__(self, message: str = "", call_class: str = "", *, retry_after: float = 1.0) -> None:
        self.call_class = call_class
        self.retry_after = retry_after
        super().__init__(message)

    @property
    def metadata(self) -> Mapping[str, str]:
        """The class of the call."""
        return {"class": self.call_class} if self.call_class else {}


class RevisionConflict(SidegateError):
    """Another writer changed the tenant first; read again and retry."""

    reason = "REVISION_CONFLICT"


class StartError(SidegateError):
    """The server can't start: a port in use, an unwritable path, a missing file."""

    reason = "START_FAILED"
