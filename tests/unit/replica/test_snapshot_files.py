"""What a sidecar keeps on disk for its next start, and never more than that."""

from __future__ import annotations

import json
import shutil
import zlib
from collections import Counter
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from sidegate.bootstrap import Core
from sidegate.errors import StartError
from sidegate.model.change import Cause, Change, EntryKind, RecordedChange
from sidegate.policy.pack.registry import bundled_packs
from sidegate.replica.checksum import checksum
from sidegate.replica.snapshot_codec import change_from_json, change_to_json
from sidegate.replica.snapshot_files import MANIFEST, SnapshotFiles
from sidegate_adapters.files.sealed_files import open_sealed_directory
from sidegate_adapters.sql import SqlFactsStore
from support.decisions.deciding import apply, ask, deciding

FACTS = """
tenants:
  acme:
    settings: {require_mfa: false}
    members:
      uma: {roles: [owner], quota: 3}
      vic: {mfa: true}
    groups: {sales: {members: [vic]}}
    roles: {Reviewer: {permissions: {document: [view]}}}
    grants: [{role: Reviewer, on: tenant, to: group:sales}]
  globex: {members: {gus: {roles: [owner]}}}
"""
WITHOUT_VIC = FACTS.replace("members: [vic]", "members: []")


@pytest.fixture
def loads(monkeypatch) -> Counter[str]:
    """Count the tenants that are loaded from the store."""
    counted: Counter[str] = Counter()
    load = SqlFactsStore.load_core

    async def load_core(self, tenant, scopes):
        counted[tenant] += 1
        return await load(self, tenant, scopes)

    monkeypatch.setattr(SqlFactsStore, "load_core", load_core)
    return counted


@pytest.fixture
async def files(tmp_path, loads):
    """Run a sidecar that holds two tenants when it stops; return the directory of its files."""
    async with started(tmp_path) as core:
        await apply(core, FACTS)
        for tenant in ("acme", "globex"):
            await core.snapshots.tenant(tenant)
    loads.clear()
    return tmp_path / "kept"


def started(directory, **settings):
    return deciding(directory / "facts.db", snapshot_directory=str(directory / "kept"), verify_interval=0, **settings)


async def views(core: Core) -> bool:
    return (await ask(core, "vic view document:*")).allowed


async def test_a_restart_loads_nothing_and_decides_alike(tmp_path, files, loads):
    """Tenants come from disk exactly as they were, and the feed is followed from there."""
    async with started(tmp_path) as core:
        held = core.snapshots.peek("acme")
        assert checksum(held) == checksum(await core.snapshots.read("acme"))
        loads.clear()
        assert await views(core)
        await apply(core, WITHOUT_VIC)
        assert not await views(core)
        assert not loads
    assert files.is_dir()


async def test_what_changed_meanwhile_is_followed_before_the_first_answer(tmp_path, files, loads):
    """A revocation while this sidecar was away is effective at its first answer, and loads nothing."""
    async with deciding(tmp_path / "facts.db") as other:
        await apply(other, WITHOUT_VIC)
    loads.clear()
    async with started(tmp_path) as core:
        assert core.snapshots.peek("acme").revision.number == 2
        assert not await views(core)
        assert not loads
    assert files.is_dir()


async def test_a_store_that_went_back_in_time_is_loaded(tmp_path, files, loads):
    """Where the feed does not go on from what was seen last no file is used."""
    async with deciding(tmp_path / "facts.db") as other, other.store._writers.begin() as connection:
        await connection.execute(text("UPDATE changes SET actor = 'else' WHERE sequence = (SELECT head FROM feed)"))
    async with started(tmp_path) as core:
        assert core.snapshots.tenants() == []
        assert await views(core)
        assert loads["acme"] == 1
    assert files.is_dir()


def swapped(files):
    one, other = [path for path in files.glob("*.kept") if path != open_sealed_directory(files)._path(MANIFEST)]
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


@pytest.mark.parametrize(
    "harm",
    [
        lambda files: [path.write_bytes(path.read_bytes()[:-1]) for path in files.glob("*.kept")],
        lambda files: [path.write_bytes(path.read_bytes()[:20]) for path in files.glob("*.kept")],
        lambda files: [path.write_bytes(b"") for path in files.glob("*.kept")],
        lambda files: [path.write_bytes(path.read_bytes()[:-1] + b"\0") for path in files.glob("*.kept")],
        lambda files: (files / "key").write_bytes(b"x" * 32),
        lambda files: (files / "key").write_bytes(b"short"),
        lambda files: (files / "key").unlink(),
        swapped,
        lambda files: [path.unlink() for path in files.glob("*.kept")],
    ],
)
async def test_files_that_are_not_its_own_are_not_used(tmp_path, files, loads, harm):
    """Cut, altered, signed by another key, exchanged or deleted: the tenant is loaded as on a first start."""
    harm(files)
    async with started(tmp_path) as core:
        assert core.snapshots.tenants() == []
        assert await views(core)
    assert loads["acme"] == 1


@pytest.mark.parametrize("content", [b"", b"x", zlib.compress(b"{}"), zlib.compress(b"[]\n[]"), zlib.compress(b"{")])
@pytest.mark.parametrize("name", [MANIFEST, "tenant acme"])
async def test_content_of_another_form_is_not_used(tmp_path, files, loads, name, content):
    """What another version signed and this one can't read is as if it were not there, and the server starts."""
    await open_sealed_directory(files).put(name, content)
    async with started(tmp_path) as core:
        assert await views(core)
    assert loads["acme"] == 1


async def test_files_of_another_time_are_not_used(tmp_path, files, loads):
    """A tenant's file of an earlier keeping does not pass under the manifest of a later one."""
    old = tmp_path / "old"
    shutil.copytree(files, old)
    async with started(tmp_path) as core:
        await apply(core, WITHOUT_VIC)
    for path in old.glob("*.kept"):
        if path.name != open_sealed_directory(files)._path(MANIFEST).name:
            shutil.copy(path, files)
    loads.clear()
    async with started(tmp_path) as core:
        assert not await views(core)
    assert loads["acme"] == 1


async def test_a_tenant_whose_pack_changed_is_loaded(tmp_path, files, loads):
    """Rows that were compiled for other rules are not used with these."""
    packs = shutil.copytree(bundled_packs(), tmp_path / "packs")
    with (packs / "standard" / "policy.csv").open("a") as policy:
        policy.write("\n# another digest\n")
    async with started(tmp_path, policies=str(packs)) as core:
        assert core.snapshots.tenants() == []
        assert await views(core)
    assert loads["acme"] == 1
    assert files.is_dir()


async def test_only_what_changed_is_written_again(tmp_path, files):
    """Files of tenants that stayed as they were are left alone; those of tenants that left memory go."""
    async with started(tmp_path) as core:
        last = SnapshotFiles(open_sealed_directory(files), core.snapshots, core.follower, core.packs)
        await last.save()
        before = {path: path.stat().st_mtime_ns for path in files.glob("*.kept")}
        await apply(core, WITHOUT_VIC)
        await last.save()
        after = {path: path.stat().st_mtime_ns for path in files.glob("*.kept")}
        assert len([path for path in before if after[path] == before[path]]) == 1
        core.snapshots.drop("globex")
        await last.save()
        assert len([*files.glob("*.kept")]) == 2
        assert {path.stat().st_mode & 0o777 for path in files.iterdir()} == {0o600}


async def test_a_disk_that_fails_is_no_fault_of_the_sidecar(tmp_path, files):
    """What can't be written to a file is only loaded at the next start."""

    class Full:
        async def put(self, _name, _content):
            raise OSError(28, "No space left on device")

    async with started(tmp_path) as core:
        await SnapshotFiles(Full(), core.snapshots, core.follower, core.packs).save()
        assert await views(core)
    assert files.is_dir()


@pytest.mark.parametrize("payload", [None, {}, {"name": "ü", "quota": 2**60, "parents": ["a:b"], "mfa": None}])
@pytest.mark.parametrize("cause", Cause)
def test_a_change_is_read_as_it_was_kept(payload, cause):
    """The anchor is compared whole, so nothing of it may be lost."""
    change = Change(EntryKind.MEMBER, ("uma", "x"), payload, payload, cause=cause)
    recorded = RecordedChange(7, "acme", 3, change, "member:uma", datetime(2026, 1, 1, 2, 3, 4, 567, tzinfo=UTC))
    assert change_from_json(json.loads(json.dumps(change_to_json(recorded)))) == recorded


def test_a_directory_that_others_can_write_is_refused(tmp_path):
    """Who could put files there could not sign them, but could take turns with old ones; a file is no directory."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="written by others"):
        open_sealed_directory(tmp_path / "shared")
    with pytest.raises(StartError, match="can't be written"):
        open_sealed_directory(tmp_path / "file")


async def test_files_outlive_the_change_of_a_key(tmp_path):
    """The first key signs, and all verify; a file of a key that is not given any more is as if it were not there."""
    before, between = open_sealed_directory(tmp_path, b"old"), open_sealed_directory(tmp_path, b"new", b"old")
    await before.put("a", b"1")
    assert await between.get("a") == b"1"
    assert await open_sealed_directory(tmp_path, b"new").get("a") is None
    await between.put("a", b"2")
    assert await open_sealed_directory(tmp_path, b"new").get("a") == b"2"
    assert await before.get("a") is None
