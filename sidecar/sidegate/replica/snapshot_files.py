"""Keeps what is in memory on disk, so that a sidecar that starts again need not load every tenant anew.

What was kept is only where following begins: the feed must go on from the very change that was seen last then, and
all changes since are followed before anybody is answered. Where it does not, everything is loaded as if nothing had
been kept. So nothing is ever decided from a file that is older than the staleness bound allows.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from time import perf_counter
from typing import Any, Final

from sidegate.errors import SidegateError
from sidegate.policy.pack.registry import PackRegistry
from sidegate.ports.sealed_files import SealedFiles
from sidegate.replica.follower import Follower
from sidegate.replica.patches import TenantSnapshot
from sidegate.replica.snapshot_codec import change_from_json, change_to_json, kept_snapshot, restored_snapshot
from sidegate.replica.snapshots import Snapshots
from sidegate.telemetry.logging import get_log

_LOG = get_log("membership")
INTERVAL: Final = 60.0
"""Seconds between two times that what changed is kept, at least."""
REST: Final = 50
"""How many times as long as keeping took nothing is kept, so that it costs two in a hundred at most."""
MANIFEST: Final = "manifest 2"
"""Its number counts the forms of what is kept; another form is not read."""
_UNREADABLE = (SidegateError, LookupError, TypeError, ValueError, zlib.error)
"""What becomes of content that was signed here, but by a version that kept something else under the same number."""
_FAST: Final = 1
_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode


class SnapshotFiles:
    """The tenants in memory as a shelf keeps them."""

    def __init__(self, shelf: SealedFiles, snapshots: Snapshots, follower: Follower, packs: PackRegistry) -> None:
        self._shelf = shelf
        self._snapshots = snapshots
        self._follower = follower
        self._packs = packs
        self._written: dict[str, tuple[TenantSnapshot, str]] = {}

    def __repr__(self) -> str:
        return f"SnapshotFiles({self._shelf!r})"

    async def restore(self) -> int:
        """Take up what was kept, before the first look; return how many tenants that are."""
        manifest = await self._manifest()
        if manifest is None:
            return 0
        if manifest["core_scopes"] != sorted(self._packs.core_scopes):
            _LOG.info("the packs need other facts than were kept; tenants are loaded as they are asked for")
            return 0
        self._follower.resume(manifest["anchor"])
        digests: Mapping[str, str] = manifest["tenants"]
        for tenant, digest in digests.items():
            snapshot = await self._restored(tenant, digest)
            if snapshot is not None:
                self._snapshots.restore(snapshot)
                self._written[tenant] = snapshot, digest
        _LOG.info("tenants were taken from disk", tenants=len(self._written), kept=len(digests))
        return len(self._written)

    async def _manifest(self) -> Mapping[str, Any] | None:
        content = await self._shelf.get(MANIFEST)
        if content is None:
            return None
        try:
            (manifest,) = _read(content)
            return {**manifest, "anchor": change_from_json(manifest["anchor"]), "tenants": dict(manifest["tenants"])}
        except _UNREADABLE as error:
            _LOG.warning("what was kept on disk can't be read", error=str(error))
            return None

    async def run(self) -> None:
        """Keep what changed, again and again until cancelled."""
        took = 0.0
        while True:
            await asyncio.sleep(max(INTERVAL, REST * took))
            began = perf_counter()
            await self.save()
            took = perf_counter() - began

    async def save(self) -> None:
        """Keep what is in memory now; a disk that fails costs the next start time, nothing else."""
        # Taken together, without a pause: these tenants and this place in the feed belong to each other.
        anchor = self._follower.anchor
        held = [snapshot for tenant in self._snapshots.tenants() if (snapshot := self._snapshots.peek(tenant))]
        if anchor is None:
            return
        try:
            digests = {snapshot.tenant: await self._kept(snapshot) for snapshot in held}
            manifest = {
                "anchor": change_to_json(anchor),
                "core_scopes": sorted(self._packs.core_scopes),
                "tenants": digests,
            }
            await self._shelf.put(MANIFEST, _written([manifest]))
            await self._shelf.keep_only([MANIFEST, *map(_name, digests)])
        except OSError as error:
            _LOG.warning("what is in memory could not be kept on disk", error=error.strerror or "unknown")
            return
        self._written = {tenant: entry for tenant, entry in self._written.items() if tenant in digests}

    async def _kept(self, snapshot: TenantSnapshot) -> str:
        """Keep one tenant unless it is as it was, and return the digest of what is kept."""
        known = self._written.get(snapshot.tenant)
        if known is not None and known[0] is snapshot:
            return known[1]
        content = await asyncio.to_thread(lambda: _written(kept_snapshot(snapshot)))
        digest = sha256(content).hexdigest()
        await self._shelf.put(_name(snapshot.tenant), content)
        self._written[snapshot.tenant] = snapshot, digest
        return digest

    async def _restored(self, tenant: str, digest: str) -> TenantSnapshot | None:
        content = await self._shelf.get(_name(tenant))
        if content is None or sha256(content).hexdigest() != digest:
            return None
        try:
            return await asyncio.to_thread(lambda: restored_snapshot(_read(content), self._packs))
        except _UNREADABLE as error:
            _LOG.warning("a tenant that was kept can't be taken up", tenant=tenant, error=str(error))
            return None


def _name(tenant: str) -> str:
    return f"tenant {tenant}"


def _written(values: Iterable[object]) -> bytes:
    """Return the values as compressed lines; one large text would be made in one breath, and nobody answered in it."""
    compressor = zlib.compressobj(_FAST)
    parts = [compressor.compress(_ENCODE(value).encode() + b"\n") for value in values]
    return b"".join([*parts, compressor.flush()])


def _read(content: bytes) -> Iterator[Any]:
    return map(json.loads, zlib.decompress(content).splitlines())
