"""A machine's clock that is set while it writes: no change gets a time of the future, and writes say what they saw."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sidegate.model.change import Change, EntryKind, Receipt
from sidegate.model.facts import TenantFacts
from sidegate.ports.clock import ClockCheck
from sidegate.runtime.clock import CheckedClock
from sidegate_adapters.sql import SqlFactsStore, open_store
from support.decisions.deciding import deciding
from support.facts.changes import changes_between

MINUTE = timedelta(minutes=1)
YEARS = timedelta(days=7300)


class Machine:
    """A machine whose clock somebody sets, and a store that it writes to."""

    def __init__(self) -> None:
        self.step = timedelta()
        self.checks: list[ClockCheck] = []
        self.number = 0

    def shown(self) -> datetime:
        return datetime.now(UTC) + self.step

    async def open(self, address: str) -> None:
        clock = CheckedClock(clock=self.shown)
        self.store = await open_store(address, clock=clock, on_clocks=self.checks.append)

    async def write(self, *, receipt: Receipt | None = None) -> datetime:
        """Make the tenant, or change it; return the time that the change got."""
        settings = {"pack": "", "settings": {"seats": self.number}}
        changes = (
            [Change(EntryKind.TENANT, (), {}, settings)] if self.number else changes_between(None, TenantFacts("a"))
        )
        await self.store.write({"a": changes}, expected={"a": self.number}, actor="platform", receipt=receipt)
        self.number += 1
        (newest,) = await self.store.changes_after(await self.store.head() - 1, limit=1)
        return newest.at


@pytest.fixture
async def machine(address: str, store: SqlFactsStore):
    del store
    made = Machine()
    await made.open(address)
    yield made
    await made.store.close()


async def test_a_clock_that_jumps_forward_and_back_leaves_no_future_in_the_history(machine: Machine) -> None:
    """Times go on from before the jump while it lasts, and all writes say how far the clock jumped."""
    before = await machine.write()
    machine.step = YEARS
    during = await machine.write()
    machine.step = timedelta()
    after = await machine.write()

    assert before < during < after <= datetime.now(UTC)
    jumps = [check.jump for check in machine.checks]
    assert [
        abs(jump - expected) < MINUTE for jump, expected in zip(jumps, (timedelta(), YEARS, timedelta()), strict=True)
    ]
    assert all(check.history_ahead < MINUTE for check in machine.checks)


async def test_a_clock_that_goes_back_keeps_the_order(machine: Machine) -> None:
    """Changes get times just after the newest one, and the write says that the history is ahead of the clock."""
    before = await machine.write()
    machine.step = -YEARS
    during = await machine.write()

    assert before < during < before + MINUTE
    assert abs(machine.checks[-1].history_ahead - YEARS) < MINUTE


async def test_a_clock_that_was_wrong_from_the_start_counts_only_without_another(address: str) -> None:
    """On PostgreSQL the earlier of both clocks counts; SQLite has the clock of the machine alone."""
    machine = Machine()
    machine.step = YEARS
    await machine.open(address)
    at = await machine.write()
    if address.startswith("postgresql"):
        assert at <= datetime.now(UTC)
        assert abs(machine.checks[0].ahead_of_store - YEARS) < MINUTE
    else:
        assert abs(at - machine.shown()) < MINUTE
        assert machine.checks[0].ahead_of_store == timedelta()
    await machine.store.close()


async def test_a_history_of_the_future_is_seen_by_each_write(machine: Machine, other: SqlFactsStore) -> None:
    """What a wrong clock left behind lifts the times of all that follows, and each write says how far."""
    future = datetime.now(UTC) + YEARS
    await machine.write()
    async with other._writers.begin() as connection:
        shown = (
            future.replace(tzinfo=None).isoformat(" ") if connection.dialect.name == "sqlite" else future.isoformat()
        )
        await connection.exec_driver_sql(f"UPDATE feed SET at = '{shown}'")

    assert future < await machine.write() < future + MINUTE
    assert abs(machine.checks[-1].history_ahead - YEARS) < MINUTE


async def test_a_history_of_the_future_is_logged_at_the_start(address: str, machine: Machine, caplog) -> None:
    """A sidecar that starts on such a history says so, and what to do, before anything is written."""
    await machine.write()
    future = datetime.now(UTC) + YEARS
    async with machine.store._writers.begin() as connection:
        shown = (
            future.replace(tzinfo=None).isoformat(" ") if connection.dialect.name == "sqlite" else future.isoformat()
        )
        await connection.exec_driver_sql(f"UPDATE changes SET at = '{shown}'")

    async with deciding(address):
        (warned,) = [record.msg for record in caplog.records if record.msg["event"] == "history ahead of the clock"]
    assert abs(warned["seconds"] - YEARS.total_seconds()) < MINUTE.total_seconds()
    assert "correct the clocks" in warned["advice"]


async def test_a_jump_forward_forgets_no_answered_request(machine: Machine) -> None:
    """A request that is repeated while the clock is ahead gets its first response, and is not performed again."""
    receipt = Receipt("r1", b"digest", b"response")
    await machine.write(receipt=receipt)
    machine.step = YEARS

    found = await machine.store.receipt("a", "r1")
    assert found is not None
    assert found[0] == receipt
    await machine.write(receipt=Receipt("r2", b"digest", b"response"))
    assert await machine.store.receipt("a", "r1") is not None
