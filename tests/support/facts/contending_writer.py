"""Writes one member after another to the tenant `acme` concurrently with other writers; also as a process."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace

from sidegate.errors import RevisionConflict
from sidegate.model.facts import Member
from sidegate.ports.facts_store import FactsStore
from sidegate_adapters.sql import open_store
from support.facts.changes import changes_between


async def _at_once() -> None:
    """Write without waiting."""


async def add_member(store: FactsStore, name: str, *, after_read: Callable[[], Awaitable[object]] = _at_once) -> int:
    """Add a member and count it, reading again as often as another writer comes first; return how often one did.

    `after_read` is awaited once, between the first read and the first write.
    """
    conflicts = 0
    while True:
        loaded = await store.load("acme")
        assert loaded is not None, "the tenant was deleted"
        facts, revision = loaded
        count = facts.settings.get("count", 0) + 1
        grown = replace(facts, members={**facts.members, name: Member(name)}, settings={"count": count})
        if not conflicts:
            await after_read()
        try:
            await store.write({"acme": changes_between(facts, grown)}, expected={"acme": revision.number}, actor=name)
        except RevisionConflict:
            conflicts += 1
        else:
            return conflicts


async def _write(address: str, name: str, rounds: int) -> None:
    store = await open_store(address)
    conflicts = sum([await add_member(store, f"{name}-{n}") for n in range(rounds)])
    await store.close()
    sys.stdout.write(f"{conflicts}\n")


if __name__ == "__main__":
    asyncio.run(_write(sys.argv[1], sys.argv[2], int(sys.argv[3])))
