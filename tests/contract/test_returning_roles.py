"""A role that a pack drops and declares again: its old grants never count again, on any sidecar of the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from sidegate.bootstrap import Core, deciding
from sidegate.config.load import load_settings
from sidegate.errors import StoreUnavailable
from sidegate.model.change import ChangeQuery, EntryKind
from sidegate.telemetry.metrics import Metrics
from sidegate_adapters.sql import SqlFactsStore
from support.decisions.deciding import apply, ask
from support.packs.packs import ROWS, SCHEMA, write_pack

WITHOUT = {"schema": SCHEMA, "rows": ROWS}
WITH = {
    "schema": SCHEMA.replace("  admin: {", "  auditor: {on: [tenant]}\n  admin: {"),
    "rows": ROWS + "p, auditor, tenant, member, invite, True, allow, SM-02\n",
}
WITH_ANOTHER = {
    "schema": WITH["schema"].replace("  auditor: {", "  reviewer: {on: [tenant]}\n  auditor: {"),
    "rows": WITH["rows"] + "p, reviewer, tenant, member, list, True, allow, SM-02\n",
}
SELDOM = {"poll_interval": 59, "max_staleness": 60}
FACTS = """\
tenants:
  acme: {members: {ann: {roles: [admin]}, uma: {roles: [auditor]}, vic: {}}}
  globex: {pack: small, members: {ann: {roles: [admin]}, uma: {roles: [auditor]}}}
"""
BOTH = FACTS.replace("vic: {}", "vic: {roles: [auditor]}")


class Sidecar:
    """A sidecar with a pack directory of its own, on a store that it shares."""

    def __init__(self, address: str, directory: Path) -> None:
        self.address, self.directory = address, directory
        self.metrics = Metrics()
        self._stack = AsyncExitStack()
        self.core: Core

    async def start(self, pack: dict[str, str], **settings: object) -> None:
        """Start, or start again, on a pack."""
        await self._stack.aclose()
        write_pack(self.directory / "small", **pack)
        flags = {"database": self.address, "policies": str(self.directory), "default_pack": "small", **settings}
        opened = deciding(load_settings({**SELDOM, **flags}), observer=self.metrics.sync)
        self.core = await self._stack.enter_async_context(opened)

    async def reload(self, pack: dict[str, str]) -> bool:
        write_pack(self.directory / "small", **pack)
        return await self.core.reloading.reload()

    def returned_roles(self) -> float:
        """Return how many roles were counted whose grants were ended."""
        found = self.metrics.registry.get_sample_value("sidegate_returned_roles_total")
        assert found is not None
        return found

    async def allowed(self, member: str = "uma", tenant: str = "acme") -> bool:
        await self.core.follower.catch_up()
        return (await ask(self.core, f"{member} invite member:*", tenant=tenant)).allowed

    async def ended(self, tenant: str = "acme") -> list[tuple[str, str]]:
        """Return holder and actor of each grant of the role that was removed."""
        query = ChangeQuery(("role:auditor",), entity=EntryKind.GRANT, oldest_first=True)
        found = await self.core.history.history(tenant, query, after=0, limit=99)
        return [(recorded.change.key[2], recorded.actor) for recorded in found if recorded.change.after is None]

    async def close(self) -> None:
        await self._stack.aclose()


@pytest.fixture
async def one(address: str, tmp_path: Path) -> AsyncIterator[Sidecar]:
    """A running sidecar whose pack has the role, and two tenants in which uma holds it."""
    made = Sidecar(address, tmp_path / "one")
    await made.start(WITH)
    await apply(made.core, FACTS)
    assert await made.allowed()
    assert await made.allowed(tenant="globex")
    yield made
    await made.close()


@pytest.fixture
async def two(address: str, tmp_path: Path) -> AsyncIterator[Sidecar]:
    made = Sidecar(address, tmp_path / "two")
    yield made
    await made.close()


async def test_a_role_that_is_dropped_and_declared_again_has_no_old_grants(one: Sidecar, caplog) -> None:
    """By reloads: the grants are removed when the role returns, the log counts them, and it can be granted again."""
    assert await one.reload(WITHOUT)
    assert not await one.allowed()
    assert await one.ended() == []
    assert await one.reload(WITH)

    for tenant in ("acme", "globex"):
        assert not await one.allowed(tenant=tenant)
    assert one.returned_roles() == 1
    assert await one.ended() == [("member:uma", "pack:small")]
    assert await one.ended("globex") == [("member:uma", "pack:small")]
    logged = [(log["event"], log["pack"], log["grants"]) for log in (record.msg for record in caplog.records)]
    assert logged == [("role dropped", "small", 2), ("grants ended", "small", 2)]
    await apply(one.core, FACTS)
    assert await one.allowed()
    assert await one.allowed(tenant="globex")
    assert await one.reload(WITH)
    assert await one.allowed()


async def test_restarts_are_no_way_around_it(one: Sidecar) -> None:
    """By restarts, with exactly the files of before, and in any number of rounds."""
    for number in range(2):
        await one.start(WITHOUT)
        assert not await one.allowed()
        await one.start(WITH)
        assert not await one.allowed()
        assert len(await one.ended()) == number + 1
        await apply(one.core, FACTS)
        assert await one.allowed()
    await one.start(WITH)
    assert await one.allowed()


async def test_old_sidecars_go_on_until_the_role_returns(one: Sidecar, two: Sidecar) -> None:
    """A new sidecar without the role changes nothing on an old one; what is granted there in between ends, too."""
    await two.start(WITHOUT)
    assert (await one.allowed(), await two.allowed()) == (True, False)
    await apply(one.core, BOTH)
    assert (await one.allowed("vic"), await two.allowed("vic")) == (True, False)

    await two.start(WITH)
    for sidecar in (one, two):
        for member in ("uma", "vic"):
            assert not await sidecar.allowed(member)
    assert sorted(holder for holder, _ in await two.ended()) == ["member:uma", "member:vic"]


async def test_a_sidecar_that_follows_ends_nothing_more(one: Sidecar, two: Sidecar) -> None:
    """Once the role has returned, another sidecar that loads the same pack leaves the new grants alone."""
    await two.start(WITHOUT)
    await two.reload(WITH)
    await apply(two.core, FACTS)
    await one.reload(WITH)
    await one.start(WITH)

    assert (await one.allowed(), await two.allowed()) == (True, True)
    assert len(await one.ended()) == 1


async def test_a_sidecar_decides_by_the_role_only_after_it_knows_the_end(one: Sidecar, two: Sidecar) -> None:
    """Where another sidecar ended the grants, one that has not polled since never allows by them."""
    await one.reload(WITHOUT)
    await two.start(WITHOUT)
    await two.reload(WITH)
    assert await one.reload(WITH)
    assert not (await ask(one.core, "uma invite member:*")).allowed


async def test_returning_roles_can_be_restored_on_purpose(one: Sidecar) -> None:
    """With the setting the old grants count again, as after a rollback of a mistake; nothing is removed."""
    await one.start(WITHOUT)
    await one.start(WITH, returning_roles="restore")
    assert await one.allowed()
    await one.start(WITH)
    assert await one.allowed()
    assert await one.ended() == []


async def test_a_reload_without_the_store_is_rejected(one: Sidecar, monkeypatch: pytest.MonkeyPatch) -> None:
    """What packs drop and add can't be recorded then, so the current packs stay; the next reload takes effect."""

    async def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable("the store does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(SqlFactsStore, "declare_roles", fail)
        assert not await one.reload(WITHOUT)
    assert await one.allowed()
    assert await one.reload(WITHOUT)
    assert not await one.allowed()


async def test_a_new_role_and_its_first_grants_stay(one: Sidecar, two: Sidecar) -> None:
    """A role that no pack ever declared is added by one sidecar after the other; grants made meanwhile stay."""
    await two.start(WITH_ANOTHER)
    await apply(two.core, FACTS.replace("vic: {}", "vic: {roles: [reviewer]}"))
    assert await one.reload(WITH_ANOTHER)
    for sidecar in (one, two):
        assert (await ask(sidecar.core, "vic list member:*")).allowed
        assert await sidecar.allowed()
