"""A process that writes 2000 members and as many grants at a time, and prints each write, until it is killed."""

import asyncio
import sys

from sidegate.model.facts import Grant, Member, TenantFacts
from sidegate_adapters.sql import open_store
from support.facts.changes import changes_between


async def _write_on(address: str) -> None:
    store = await open_store(address)
    before, members = None, {}
    for revision in range(100):
        _report("begin", revision + 1)
        members |= {id_: Member(id_) for id_ in (f"m{revision}-{n}" for n in range(2000))}
        grants = frozenset(Grant("member", "tenant:acme", f"member:{id_}") for id_ in members)
        facts = TenantFacts("acme", members=dict(members), grants=grants)
        await store.write({"acme": changes_between(before, facts)}, expected={"acme": revision}, actor="platform")
        before = facts
        _report("done", revision + 1)


def _report(word: str, number: int) -> None:
    sys.stdout.write(f"{word} {number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_write_on(sys.argv[1]))
