"""Saves snapshots on disk, so that a sidecar that starts again need not load every tenant from the store.

Files are only where following begins: the feed must continue from the change that was seen last when they were saved,
and all changes since are followed before any request is answered. Where it does not, tenants are loaded as if there
were no files. So nothing is ever decided from a file that is older than the staleness bound allows.
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
from sidegate.replica.snapshot_codec import change_from_json, change_to_json, snapshot_from_json, snapshot_to_json
from sidegate.replica.snapshots import Snapshots
from sidegate.telemetry.logging import get_log

_LOG = get_log("membership")
INTERVAL: Final = 60.0
"""Seconds between two saves, at least."""
PAUSE: Final = 50
"""The pause after a save, as a multiple of its time: saves take 2 % of the time at most."""
MANIFEST: Final = "manifest 3"
"""The number is the version of the format; files of another version are not read."""
_UNREADABLE = (SidegateError, LookupError, TypeError, ValueError, zlib.error)
"""What reading raises on content that was signed here, but by a release with another format of the same number."""
_FAST: Final = 1
_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode


class SnapshotFiles:
    """Snapshots in sealed files."""

    def __init__(self, files: SealedFiles, snapshots: Snapshots, follower: Follower, packs: PackRegistry) -> None:
        self._files = files
        self._snapshots = snapshots
        self._follower = follower
        self._packs = packs
        self._written: dict[str, tuple[TenantSnapshot, str]] = {}

    def __repr__(self) -> str:
        return f"SnapshotFiles({self._files!r})"

    async def restore(self) -> int:
        """Hold the snapshots that were saved, before the first poll; return how many tenants those are."""
        manifest = await self._manifest()
        if manifest is None:
            return 0
        if manifest["core_scopes"] != sorted(self._packs.core_scopes):
            _LOG.info("snapshot files not used", reason="the packs need other facts than were saved")
            return 0
        self._follower.resume(manifest["anchor"])
        digests: Mapping[str, str] = manifest["tenants"]
        for tenant, digest in digests.items():
            snapshot = await self._restored(tenant, digest)
            if snapshot is not None:
                self._snapshots.restore(snapshot)
                self._written[tenant] = snapshot, digest
        _LOG.info("snapshot files restored", tenants=len(self._written), saved=len(digests))
        return len(self._written)

    async def _manifest(self) -> Mapping[str, Any] | None:
        content = await self._files.get(MANIFEST)
        if content is None:
            return None
        try:
            (manifest,) = _read(content)
            return {**manifest, "anchor": change_from_json(manifest["anchor"]), "tenants": dict(manifest["tenants"])}
        except _UNREADABLE as error:
            _LOG.warning("snapshot manifest unreadable", error=str(error))
            return None

    async def run(self) -> None:
        """Save what changed, until cancelled."""
        took = 0.0
        while True:
            await asyncio.sleep(max(INTERVAL, PAUSE * took))
            began = perf_counter()
            await self.save()
            took = perf_counter() - began

    async def save(self) -> None:
        """Save what is in memory now; a disk that fails only makes the next start slower."""
        # Read together, without any await: these snapshots and this position in the feed belong together.
        anchor = self._follower.anchor
        held = [snapshot for tenant in self._snapshots.tenants() if (snapshot := self._snapshots.peek(tenant))]
        if anchor is None:
            return
        try:
            digests = {snapshot.tenant: await self._saved(snapshot) for snapshot in held}
            manifest = {
                "anchor": change_to_json(anchor),
                "core_scopes": sorted(self._packs.core_scopes),
                "tenants": digests,
            }
            await self._files.put(MANIFEST, _written([manifest]))
            await self._files.keep_only([MANIFEST, *map(_name, digests)])
        except OSError as error:
            _LOG.warning("snapshot files not saved", error=error.strerror or "unknown")
            return
        self._written = {tenant: entry for tenant, entry in self._written.items() if tenant in digests}

    async def _saved(self, snapshot: TenantSnapshot) -> str:
        """Save one tenant unless it is unchanged, and return the digest of its file."""
        known = self._written.get(snapshot.tenant)
        if known is not None and known[0] is snapshot:
            return known[1]
        content = await asyncio.to_thread(lambda: _written(snapshot_to_json(snapshot)))
        digest = sha256(content).hexdigest()
        await self._files.put(_name(snapshot.tenant), content)
        self._written[snapshot.tenant] = snapshot, digest
        return digest

    async def _restored(self, tenant: str, digest: str) -> TenantSnapshot | None:
        content = await self._files.get(_name(tenant))
        if content is None or sha256(content).hexdigest() != digest:
            return None
        try:
            return await asyncio.to_thread(lambda: snapshot_from_json(_read(content), self._packs))
        except _UNREADABLE as error:
            _LOG.warning("snapshot file unreadable", tenant=tenant, error=str(error))
            return None


def _name(tenant: str) -> str:
    return f"tenant {tenant}"


def _written(values: Iterable[object]) -> bytes:
    """Return the values as compressed lines; one large text would be encoded in one step, which delays all requests."""
    compressor = zlib.compressobj(_FAST)
    parts = [compressor.compress(_ENCODE(value).encode() + b"\n") for value in values]
    return b"".join([*parts, compressor.flush()])


def _read(content: bytes) -> Iterator[Any]:
    return map(json.loads, zlib.decompress(content).splitlines())
