"""Packs are exchanged under load, sidecar by sidecar: each answer is by the old rules or the new, none by a mixture."""

from __future__ import annotations

import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from time import monotonic

import pytest

from sidegate.policy.pack.load import load_pack
from support.histories.clients import Client, Notes
from support.histories.cluster import Cluster, Node, cluster
from support.histories.record import Demand, Question, Read
from support.histories.run import Run, run
from support.histories.truth import Rules
from support.histories.world import STANDARD, TENANTS
from support.paths import ROOT
from support.waiting import until

BUNDLED = ROOT / "policies"
# Two rules that decide different questions, so that one of the new beside one of the old shows.
ALTERED = {
    "viewer, document, document, view, True, allow, ST-17": "viewer, document, document, edit, True, allow, ST-17",
    "admin, tenant, member, *, True, allow, ST-03": "member, tenant, member, invite, True, allow, ST-03",
}
NEW_RULES = Rules(
    on_tenant={
        "owner": STANDARD.on_tenant["owner"],
        "admin": frozenset(),
        "member": frozenset({"member:invite"}),
    },
    on_resource={"owner": STANDARD.on_resource["owner"], "viewer": frozenset({"document:edit"})},
)


@pytest.fixture
def packs(tmp_path) -> Path:
    """A link to the packs that sidecars load at their start, and the altered ones beside it."""
    shutil.copytree(BUNDLED, tmp_path / "new")
    rules = tmp_path / "new/standard/policy.csv"
    text = rules.read_text()
    for old, new in ALTERED.items():
        assert text.count(f"p, {old}") == 1
        text = text.replace(old, new)
    rules.write_text(text)
    link = tmp_path / "packs"
    link.symlink_to(BUNDLED)
    return link


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["restarted", "reloaded"])
async def test_each_answer_belongs_to_one_pack(packs, way):
    """The digest in an answer is of the old pack or the new, and the answer is exactly what that pack says."""
    old, new = (load_pack(directory / "standard").digest for directory in (packs, packs.parent / "new"))
    exchanged: list[float] = []

    @asynccontextmanager
    async def packs_exchanged(servers: Cluster, _: Random) -> AsyncIterator[None]:
        """The link to the packs is turned, and one sidecar after another takes them."""
        yield
        packs.unlink()
        packs.symlink_to(packs.parent / "new")
        for node in servers.nodes:
            if way == "restarted":
                await node.stop()
                await node.start()
            else:
                node.signal(signal.SIGHUP)
            await until(partial(decides_by, node, new))
        exchanged.append(monotonic())

    async with cluster(lambda _: ("--policies", packs)) as servers:
        done = await run(servers, {old: STANDARD, new: NEW_RULES}, [[packs_exchanged]], seed=5, seconds=0)
    broken = done.broken()
    assert not broken, done.report(broken)
    assert digests(done) == {old, new}
    assert digests(done, after=exchanged[0]) == {new}


async def decides_by(node: Node, digest: str) -> bool:
    """Return whether a sidecar answers by a pack."""
    client = Client("asker", [node], Notes(), Random(0))
    read = await client.ask(TENANTS[0], Question("ann", "view", "document:d1"), Demand())
    return read.answer is not None and read.answer.digest == digest


def digests(done: Run, *, after: float = 0.0) -> set[str]:
    """Return the digests of the packs that answered the questions asked after a time."""
    reads = [it for it in done.history.operations if isinstance(it, Read) and it.asked > after]
    return {read.answer.digest for read in reads if read.answer}
