"""How many calls of each class run together."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from sidegate.config.field import setting

QUEUE: Final = 16
"""How many calls of a class wait for each one that may run."""


def _capacity(default: int, calls: str) -> Any:
    meaning = f"How many {calls} run together; up to {QUEUE} times as many wait, and more are refused."
    return setting(default, meaning, expected="a whole number from 1 to 10000", ge=1, le=10_000)


class AdmissionSettings(BaseModel):
    """How many calls of each class run together, in fair shares by caller and tenant."""

    check_capacity: int = _capacity(256, "Checks")
    batch_capacity: int = _capacity(2, "calls of BatchCheck")
    list_capacity: int = _capacity(2, "calls of ListResources, ListSubjects and ListActions")
    read_capacity: int = _capacity(4, "reads of members, roles, groups, resources, quota and history")
    write_capacity: int = _capacity(8, "writes of members, roles, groups, resources and quota")
    bulk_capacity: int = _capacity(2, "calls of ApplyFacts, ImportFacts, ExportFacts and InviteMembers")
    queue_patience: float = setting(
        5.0,
        "The most seconds that a call without a deadline waits for its turn. One with a deadline waits at most half of "
        "its time.",
        expected="seconds, above 0, at most 3600",
        gt=0,
        le=3600,
    )
