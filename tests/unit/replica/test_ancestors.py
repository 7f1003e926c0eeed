"""The ancestors of a resource that has two of one type."""

from __future__ import annotations

from pathlib import Path

from sidegate.engine import ENGINES
from sidegate.facts.fixed import FixedFacts
from sidegate.model.facts import StoredResource, TenantFacts
from sidegate.policy.pack.registry import PackRegistry
from sidegate.replica.snapshots import Snapshots
from support.packs.packs import SCHEMA, write_pack

TWO_WAYS = SCHEMA.replace("parents: [folder, desk]", "parents: [folder, box, desk]").replace(
    "  folder:", "  box: {actions: [view], parents: [group]}\n  folder:"
)


async def test_of_two_ways_to_a_type_every_sidecar_takes_the_same(tmp_path: Path) -> None:
    """A note in a box and a folder is in the group of its box, whatever order sets have in this process."""
    packs = PackRegistry(ENGINES["indexed"], write_pack(tmp_path / "small", schema=TWO_WAYS), "small")
    notes = {}
    for number in range(30):
        box, folder, note = (StoredResource(*kind) for kind in _kinds(number))
        notes |= {one.ref: one for one in (box, folder, note)}
    snapshots = Snapshots(
        FixedFacts({"acme": TenantFacts("acme", resources=notes)}), packs, max_tenants=1, max_resources=99
    )
    snapshot = await snapshots.tenant("acme")
    assert snapshot is not None
    note_type = snapshot.pack.pack.schema.resources["note"]
    for number in range(30):
        facts = await snapshots.resource(snapshot, note_type, f"n{number}")
        assert facts is not None
        assert facts.ancestors["group"] == f"group:of-box-{number}"


def _kinds(number: int) -> tuple[tuple[str, str, frozenset[str]], ...]:
    parents = frozenset({f"box:b{number}", f"folder:f{number}"})
    return (
        ("box", f"b{number}", frozenset({f"group:of-box-{number}"})),
        ("folder", f"f{number}", frozenset({f"group:of-folder-{number}"})),
        ("note", f"n{number}", parents),
    )
