"""The call of a use case that a request makes: its actor, and what identifies a repeated call."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from sidegate.errors import InvalidInput, Violation
from sidegate.membership.command.call import PLATFORM, Call
from sidegate.server.calls.current_caller import current_caller
from sidegate.server.wire.validation import Inspection


def write_call(message: Any, *, actor: str = "", validate_only: bool = False) -> Call:
    """Return the call of a write; `actor` is for messages without that field.

    Raises:
        InvalidInput: the actor or the request's ID is wrong.
    """
    named = actor or message.actor or PLATFORM
    inspection = Inspection()
    inspection.author("actor", named)
    inspection.label("request_id", message.request_id)
    if message.request_id != message.request_id.strip():
        inspection.add("request_id", "has whitespace at an end: expected a text such as a UUID")
    inspection.finish()
    content = message.DESCRIPTOR.full_name.encode() + b"\0" + message.SerializeToString(deterministic=True)
    return Call(
        named,
        message.request_id,
        hashlib.sha256(content).digest(),
        validate_only=validate_only,
        caller=current_caller().name,
    )


def read_call(message: Any, *, actor: str = "") -> Call:
    """Return the call of a read; `actor` is for messages where that field means something else.

    Raises:
        InvalidInput: the actor is wrong.
    """
    named = actor or message.actor or PLATFORM
    inspection = Inspection()
    inspection.author("actor", named)
    inspection.finish()
    return Call(named, for_report=getattr(message, "for_report", False), caller=current_caller().name)


def mask_paths(message: Any, *, known: Callable[[str], bool], expected: str) -> list[str]:
    """Return the paths of an update's mask.

    Raises:
        InvalidInput: there are none, or one is not known.
    """
    paths = list(message.update_mask.paths)
    wrong = [path for path in paths if not known(path)]
    if wrong or not paths:
        shown = f"unknown path `{wrong[0]}`" if wrong else "is empty"
        raise InvalidInput(Violation("update_mask", f"{shown}: expected {expected}"))
    return paths
