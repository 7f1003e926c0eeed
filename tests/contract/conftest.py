"""The implementations that each contract runs over."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sidegate_adapters.sql import SqlFactsStore, open_store


@pytest.fixture(params=["sqlite"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty database of its own."""
    del request
    return f"sqlite:///{tmp_path / 'facts.db'}"


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
