"""Chains with caches, over a pack whose rules look at every part of a question."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import mock

from sidegate import bootstrap
from sidegate.config.load import load_settings
from sidegate.ports.shared_cache import SharedCache
from sidegate.telemetry.cache import UNCOUNTED, CacheObserver
from support.packs.packs import ROWS, SCHEMA, write_pack

_SCHEMA = SCHEMA.replace(
    "      status: {type: string, from: stored, default: draft}\n",
    "      status: {type: string, from: stored, default: draft}\n      share: {type: number, from: request}\n",
)
_ROWS = """\
p, *, tenant, note, view, r.sub.clearance >= 2, allow, SM-01
p, *, tenant, note, view, r.obj.share > 0.5, allow, SM-02
p, *, tenant, note, view, r.env.ip == "inside", allow, SM-02
p, *, tenant, note, edit, r.obj.status == "open" && r.sub.ref in r.obj.readers, allow, SM-02
p, *, tenant, note, edit, r.env.ip == "outside", deny, SM-03
"""


def caching_pack(directory: Path, more: str = "") -> Path:
    """Write the pack; `more` are further rows."""
    return write_pack(directory, schema=_SCHEMA, rows=ROWS + _ROWS + more)


@asynccontextmanager
async def caching(
    database: Path,
    *,
    shared: SharedCache | None = None,
    observer: CacheObserver = UNCOUNTED,
    **settings: object,
) -> AsyncIterator[bootstrap.Core]:
    """Assemble the real chain over a SQLite file, with this shared cache in the place of Redis."""
    flags = {"database": f"sqlite:///{database}", "poll_interval": 59, "max_staleness": 60, **settings}
    if shared is not None:
        flags["redis"] = "redis://nowhere.invalid"
    with mock.patch("sidegate.bootstrap.storage.cache._shared_cache", return_value=shared):
        async with bootstrap.deciding(load_settings(flags), caching=observer) as core:
            yield core
