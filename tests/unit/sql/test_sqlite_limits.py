"""A SQLite file that can't grow, can't be written, or is locked: the error says what to do, also at the start."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from sidegate.errors import StoreBusy, StoreFull, StoreReadOnly, StoreUnavailable
from sidegate.model.facts import Member, TenantFacts
from sidegate_adapters.sql import SqlFactsStore, open_store
from sidegate_adapters.sql.databases import sqlite
from support.facts.changes import changes_between
from support.facts.revisions import loaded, numbers

ACME = TenantFacts("acme")
LARGE = TenantFacts("acme", members={f"m{number}": Member(f"m{number}", name="x" * 100) for number in range(500)})
FULL = "the store's disk, or a limit of its space, is full: free space there, then try again"
START = """
import asyncio, resource, signal, sys
from sidegate.errors import StartError
from sidegate_adapters.sql import open_store

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
try:
    asyncio.run(open_store(sys.argv[1]))
except StartError as error:
    print(error)
"""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlFactsStore]:
    opened = await open_store(f"sqlite:///{tmp_path / 'facts.db'}")
    await opened.write({"acme": changes_between(None, ACME)}, expected={}, actor="platform")
    yield opened
    await opened.close()


@contextmanager
def with_pragma(store: SqlFactsStore, pragma: str, undo: str) -> Iterator[None]:
    """Set something for the connections of each transaction, and set it back afterwards."""
    words = [pragma]

    def apply(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA {words[0]}")

    event.listen(store._writers.sync_engine, "begin", apply)
    yield
    words[0] = undo


async def grow(store: SqlFactsStore) -> dict[str, int]:
    changes = changes_between(ACME, LARGE)
    return numbers(await store.write({"acme": changes}, expected={"acme": 1}, actor="platform"))


@pytest.mark.parametrize(
    ("pragma", "undo", "kind", "message"),
    [
        ("max_page_count = 1", "max_page_count = 1000000", StoreFull, FULL),
        (
            "query_only = ON",
            "query_only = OFF",
            StoreReadOnly,
            "the store accepts no writes: check whether its database or its file system is read-only",
        ),
    ],
)
async def test_a_write_that_finds_no_space_or_no_right_says_so(
    store: SqlFactsStore, pragma: str, undo: str, kind: type[StoreUnavailable], message: str
) -> None:
    """It says what to do; nothing was written, reads go on, and the same write succeeds once there is space."""
    with with_pragma(store, pragma, undo):
        with pytest.raises(StoreUnavailable) as failure:
            await grow(store)
        assert (type(failure.value), str(failure.value)) == (kind, message)
        assert await loaded(store, "acme") == (ACME, 1)
    assert await grow(store) == {"acme": 2}


def test_a_file_that_may_not_grow_says_at_the_start_that_it_is_full(tmp_path: Path) -> None:
    """The operating system refuses to make the file longer: the message is about space, not about the address."""
    database = tmp_path / "facts.db"
    done = subprocess.run(
        [sys.executable, "-c", START, f"sqlite:///{database}"], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout == f"the disk of the database `{database}`, or a limit of its space, is full: free space there\n"


@pytest.mark.usefixtures("store")
async def test_a_lock_that_another_process_holds_is_no_silent_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that waited long enough for another writer says that the store is busy."""
    monkeypatch.setattr(sqlite, "_BUSY_MILLISECONDS", 1)
    hasty = await open_store(f"sqlite:///{tmp_path / 'facts.db'}")
    with closing(sqlite3.connect(tmp_path / "facts.db")) as another:
        another.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match=r"^the store is too busy; try again$"):
            await grow(hasty)
    assert await grow(hasty) == {"acme": 2}
    await hasty.close()
