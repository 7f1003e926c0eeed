"""One sidecar for the tests of the membership, each of which makes tenants of its own."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from support.cli import sidecar
from support.companies import founding


@pytest.fixture(scope="session")
def sidecar_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sidecar(tmp_path_factory.mktemp("companies"), "--drain", "0") as running:
        yield running.address


@pytest.fixture
async def found(sidecar_address: str) -> AsyncIterator[Callable[..., Any]]:
    """Make companies by pack and settings, each of them a tenant of its own."""
    async with founding(sidecar_address) as make:
        yield make
