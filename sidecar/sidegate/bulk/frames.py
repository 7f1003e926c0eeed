"""What the sidecar and a process that works on a document send each other: kinds of frames, and their content."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from io import BytesIO
from types import MappingProxyType
from typing import Any, Final

from sidegate.errors import (
    FactsError,
    Fault,
    InvalidInput,
    RevisionConflict,
    SidegateError,
    StoreBusy,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    Violation,
)
from sidegate.policy.pack.schema import Schema
from sidegate.ports.bulk_facts import Order

HEADER: Final = struct.Struct(">BI")
"""The kind of a frame and the length of its content in bytes."""


_STORE_ERRORS: Final[Mapping[str, type[StoreUnavailable]]] = {
    kind.__name__: kind for kind in (StoreUnavailable, StoreBusy, StoreFull, StoreReadOnly)
}


class Kind(IntEnum):
    """The kinds of frames: to the process first, then from it."""

    SETUP = 1
    CHUNK = 2
    END = 3
    CONTINUE = 4
    PROGRESS = 10
    TENANTS = 11  # the process waits for CONTINUE
    TURN = 12  # the process would write, and waits for CONTINUE
    TENANT = 13
    CHANGES = 14
    DONE = 15
    REFUSED = 16
    FAILED = 17


@dataclass(frozen=True, slots=True)
class Setup:
    """All that a process needs: the database, the schemas of the packs, the most values of a document, the order."""

    database: str
    schemas: Mapping[str, Schema]
    default_pack: str
    max_values: int
    order: Order


def frame(kind: Kind, content: bytes = b"") -> bytes:
    """Return a frame as bytes."""
    return HEADER.pack(kind, len(content)) + content


def _read_only(value: dict[Any, Any]) -> Mapping[Any, Any]:
    return MappingProxyType(value)


class _Pickler(pickle.Pickler):
    """Writes read-only mappings too, of which schemas are made."""

    def reducer_override(self, value: object) -> Any:
        return (_read_only, (dict(value),)) if isinstance(value, MappingProxyType) else NotImplemented


def write_setup(setup: Setup) -> bytes:
    """Return the content of a SETUP frame, which only this process's own child reads."""
    written = BytesIO()
    _Pickler(written).dump(setup)
    return written.getvalue()


def read_setup(content: bytes) -> Setup:
    """Return the setup that the parent process wrote."""
    setup = pickle.loads(content)  # noqa: S301 - from the process that started this one
    assert isinstance(setup, Setup)
    return setup


def write_error(error: SidegateError) -> bytes:
    """Return the content of a REFUSED frame: JSON, since a process that read an untrusted document wrote it."""
    faults = [[fault.file, fault.line, fault.key, fault.message] for fault in getattr(error, "faults", ())]
    violations = [[violation.field, violation.message] for violation in getattr(error, "violations", ())]
    content = {"reason": type(error).__name__, "text": str(error), "faults": faults, "violations": violations}
    return json.dumps(content).encode()


def read_error(content: bytes) -> SidegateError:
    """Return the error that a REFUSED frame describes."""
    written = json.loads(content)
    match written["reason"]:
        case FactsError.__name__:
            return FactsError(*(Fault(*fault) for fault in written["faults"]))
        case InvalidInput.__name__:
            return InvalidInput(*(Violation(*violation) for violation in written["violations"]))
        case RevisionConflict.__name__:
            return RevisionConflict(written["text"])
        case name:
            return _STORE_ERRORS.get(name, StoreUnavailable)(written["text"])
