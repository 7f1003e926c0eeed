"""Pauses between attempts at a server that does not answer."""

from __future__ import annotations

import random
from collections.abc import Iterator


def growing_pauses(first: float, longest: float) -> Iterator[float]:
    """Yield seconds that double up to the longest, each shortened at random so that clients spread their retries."""
    pause = first
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret depends on it
        pause = min(pause * 2, longest)
