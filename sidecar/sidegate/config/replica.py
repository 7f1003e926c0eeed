"""How much of the store is held in memory, and how old that may be."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from sidegate.config.field import setting


class ReplicaSettings(BaseModel):
    """How much of the store is held in memory, and how old that may be."""

    max_staleness: float = setting(
        5.0,
        "Seconds since the last look at the store, past which a Check answers UNAVAILABLE instead of a guess.",
        expected="seconds, above 0, at most 3600",
        gt=0,
        le=3600,
    )
    poll_interval: float = setting(
        0.5,
        "Seconds between two looks at the store; less than max_staleness.",
        expected="seconds, above 0, at most 3600",
        gt=0,
        le=3600,
    )
    hints: Literal["auto", "off", "store", "redis"] = setting(
        "auto",
        "How a sidecar learns immediately that another one wrote: the store, where it is PostgreSQL, or redis. auto "
        "uses the first of them that there is. Without hints a write is seen within poll_interval.",
        expected="`auto`, `off`, `store` with a PostgreSQL database, or `redis` with a redis",
    )
    verify_interval: float = setting(
        10.0,
        "The least seconds between two comparisons of a tenant in memory with the store; large ones are compared "
        "less often. 0: never.",
        expected="seconds, 0 to 86400",
        ge=0,
        le=86_400,
    )
    snapshot_directory: Path | None = setting(
        None,
        "A directory of this sidecar's own, where it keeps the tenants in memory for its next start, which then "
        "loads only what changed since. Unset: nothing is kept.",
        expected="a directory that others can't write, or where none is yet",
    )
    max_tenants: int = setting(
        1_000,
        "The most tenants in memory; the least recently used goes first.",
        expected="a whole number, 1 or more",
        ge=1,
    )
    max_resources: int = setting(
        100_000,
        "The most resources in memory, over all tenants; the least recently used goes first.",
        expected="a whole number, 1 or more",
        ge=1,
    )
