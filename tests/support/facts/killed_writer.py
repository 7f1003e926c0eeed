"""A process that writes 1200 members and as many grants at a time, and kills itself amid its third write.

Its arguments are a database's address, and where to end: 0 at the first statement of the write, 1 at the last one.
It prints a line for each finished write.
"""

import asyncio
import os
import signal
import sys
from typing import Any

from sidegate.model.facts import Grant, Member, TenantFacts
from sidegate_adapters.sql import open_store
from support.facts.changes import changes_between
from support.facts.every_statement import before_each_statement


async def _write(address: str, share: float) -> None:
    store = await open_store(address)
    before, members = None, {}
    statements: list[int] = []

    def count_or_end(_statement: str, _parameters: Any) -> None:
        statements[-1] += 1
        if len(statements) == 3 and statements[-1] >= share * statements[-2]:
            os.kill(os.getpid(), signal.SIGKILL)

    with before_each_statement(store, count_or_end):
        for revision in range(3):
            statements.append(0)
            members |= {id_: Member(id_) for id_ in (f"m{revision}-{n}" for n in range(1200))}
            grants = frozenset(Grant("member", "tenant:acme", f"member:{id_}") for id_ in members)
            facts = TenantFacts("acme", members=dict(members), grants=grants)
            await store.write({"acme": changes_between(before, facts)}, expected={"acme": revision}, actor="platform")
            before = facts
            sys.stdout.write("done\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_write(sys.argv[1], float(sys.argv[2])))
