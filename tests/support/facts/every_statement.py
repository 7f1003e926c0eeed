"""Calls every method of a store, and records the statements sent to the database."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from sqlalchemy import event

from sidegate.model.change import Change, EntryKind
from sidegate.model.facts import TenantFacts
from sidegate_adapters.sql import SqlFactsStore
from support.facts.changes import changes_between


async def use_in_every_way(store: SqlFactsStore) -> None:
    """Load, follow, and write every kind of change."""
    await store.write({"acme": changes_between(None, TenantFacts("acme"))}, expected={"acme": 0}, actor="platform")
    every = [
        Change(EntryKind.MEMBER, ("uma",), {}, None),
        Change(EntryKind.GROUP, ("sales",), {}, None),
        Change(EntryKind.GROUP_MEMBER, ("sales", "member:uma"), {}, None),
        Change(EntryKind.ROLE, ("Reviewer",), {}, None),
        Change(EntryKind.RESOURCE, ("document:d1",), {}, None),
        Change(EntryKind.GRANT, ("owner", "document:d1", "member:uma"), {}, None),
        Change(EntryKind.TENANT, (), {}, {"pack": "", "settings": {}}),
    ]
    await store.write({"acme": every}, expected={"acme": 1}, actor="platform")
    await store.load("acme")
    await store.tenant_head("acme")
    await store.revision("acme", 1)
    await store.load_core("acme", frozenset({"tenant", "template"}))
    await store.load_resource("acme", "document:d1")
    await store.load_resources("acme", ["document:d1", "template:t1"])
    await store.changes_after(0, limit=10)
    await store.head()
    await store.write({"acme": [Change(EntryKind.TENANT, (), {}, None)]}, expected={"acme": 2}, actor="platform")
    await store.secret("one")


@contextmanager
def statements(store: SqlFactsStore) -> Iterator[dict[str, Any]]:
    """Record each statement that searches for rows, with parameters that it was sent with."""
    sent: dict[str, Any] = {}

    def record(statement: str, parameters: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            sent[statement] = parameters[0] if isinstance(parameters, list) else parameters

    with before_each_statement(store, record):
        yield sent


@contextmanager
def before_each_statement(store: SqlFactsStore, call: Callable[[str, Any], None]) -> Iterator[None]:
    """Call a function with each statement and its parameters just before they are sent."""

    def listener(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        call(statement, parameters)

    engines = {engine.sync_engine for engine in (store._readers, store._writers, store._single)}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", listener)
    try:
        yield
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", listener)


async def is_cancelled_at(store: SqlFactsStore, work: Coroutine[Any, Any, object], number: int) -> bool:
    """Cancel a call of a store just before its statement of a number, 1 or more; return whether it sent as many.

    With 0 the call is cancelled before it begins. Its transaction may still be running afterwards.
    """
    numbers = count(1)
    call = asyncio.create_task(work)

    def cancel(_statement: str, _parameters: Any) -> None:
        if next(numbers) == number:
            call.cancel()

    with before_each_statement(store, cancel):
        if number == 0:
            call.cancel()
        await asyncio.wait([call])
    return call.cancelled()


async def until_idle(store: SqlFactsStore) -> None:
    """Wait until a store has ended the transactions that it has begun."""
    await asyncio.gather(*store._running, return_exceptions=True)
