"""A pause of Python's garbage collection while many objects are built: it would search them often and find nothing."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_MANY: Final = 10_000
"""From so many rows on the collector takes half of the time."""
_lock = threading.Lock()
_resting: list[bool] = []
"""One entry for each build that is under way; the first says whether the collector ran before."""


@contextmanager
def garbage_collection_paused(rows: int) -> Iterator[None]:
    """Let the collector rest while something without cycles is made of so many rows, and nothing is waited for."""
    if rows < _MANY:
        yield
        return
    with _lock:
        _resting.append(gc.isenabled() if not _resting else _resting[0])
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            if _resting.pop() and not _resting:
                gc.enable()


def exclude_existing_objects() -> None:
    """Let garbage collections skip all objects that exist now: modules, settings and packs live as long as the process.

    A full collection stops every thread; with these objects it would take a tenth of a second each time.
    """
    gc.collect()
    gc.freeze()
