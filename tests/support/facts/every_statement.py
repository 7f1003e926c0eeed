"""Calls every method of a store, and records the statements sent to the database."""

from collections.abc import Iterator
from contextlib import contextmanager
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
    await store.changes_after(0, limit=10)
    await store.head()
    await store.write({"acme": [Change(EntryKind.TENANT, (), {}, None)]}, expected={"acme": 2}, actor="platform")
    await store.secret("one")


@contextmanager
def statements(store: SqlFactsStore) -> Iterator[dict[str, Any]]:
    """Note each statement that looks for rows, with parameters that it was sent with."""
    sent: dict[str, Any] = {}

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            sent[statement] = parameters[0] if isinstance(parameters, list) else parameters

    engines = {engine.sync_engine for engine in (store._readers, store._writers, store._single)}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield sent
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)
