"""How large messages may be."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from sidegate.config.field import setting

_MIB: Final = 1024 * 1024


def _bytes(default: int, calls: str) -> Any:
    meaning = f"The most bytes of one message of {calls}; larger ones are refused before they are parsed."
    return setting(default, meaning, expected="a whole number from 1024 to 67108864", ge=1024, le=64 * _MIB)


class MessageSettings(BaseModel):
    """How large the messages of calls may be."""

    check_message_bytes: int = _bytes(256 * 1024, "Check, ListResources, ListSubjects and ListActions")
    batch_message_bytes: int = _bytes(4 * _MIB, "BatchCheck")
    bulk_message_bytes: int = _bytes(16 * _MIB, "ApplyFacts, ExportFacts and InviteMembers")
