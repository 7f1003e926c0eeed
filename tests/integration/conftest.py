"""One sidecar per database for the tests of the membership, each of which makes tenants of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from support.cli import sidecar
from support.companies import founding

_DATABASE = "companies"


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def sidecar_address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    flags: list[str] = ["--drain", "0"]
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        asyncio.run(server.execute(f"CREATE DATABASE {_DATABASE}"))
        flags += ["--database", server.address(_DATABASE)]
    with sidecar(tmp_path_factory.mktemp("companies"), *flags) as running:
        yield running.address


@pytest.fixture
async def found(sidecar_address: str) -> AsyncIterator[Callable[..., Any]]:
    """Make companies by pack and settings, each of them a tenant of its own."""
    async with founding(sidecar_address) as make:
        yield make
