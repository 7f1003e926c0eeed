"""The implementations that each contract runs over."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidegate_adapters.sql import SqlFactsStore, open_store


@pytest.fixture(params=["sqlite", "postgresql"])
async def address(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """Return the address of an empty database of its own."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'facts.db'}"
    else:
        async with request.getfixturevalue("postgres").database() as address:
            yield address


@pytest.fixture
async def store(address: str) -> AsyncIterator[SqlFactsStore]:
    opened = await open_store(address)
    yield opened
    await opened.close()


@pytest.fixture
async def other(address: str, store: SqlFactsStore) -> AsyncIterator[SqlFactsStore]:
    """Return a second store on the same database."""
    del store
    opened = await open_store(address)
    yield opened
    await opened.close()
