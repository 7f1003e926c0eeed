"""Which decisions are cached."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from sidegate.config.field import setting


class CacheSettings(BaseModel):
    """Which decisions are remembered."""

    cache: Literal["off", "cold", "always"] = setting(
        "cold",
        "Whether decisions are remembered, in memory and in Redis where there is one. Redis is asked in the `cold` "
        "alone, where answering would need the store, or `always` when memory does not know.",
        expected="`off`, `cold` or `always`, which goes with redis",
    )
    cache_entries: int = setting(
        10_000,
        "The most decisions in memory; the least recently used goes first.",
        expected="a whole number, 1 or more",
        ge=1,
    )
    cache_bytes: int = setting(
        16 * 1024 * 1024,
        "The most bytes that the decisions in memory take together; the least recently used goes first.",
        expected="a whole number, 0 or more",
        ge=0,
    )
    cache_ttl: float = setting(
        300.0,
        "The most seconds that a decision is remembered. A change of facts or rules ends it earlier, immediately.",
        expected="seconds, above 0, at most 86400",
        gt=0,
        le=86_400,
    )
