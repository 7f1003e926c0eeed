"""One sidecar per database for the tests of the membership, each of which makes tenants of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from typing import Any

import pytest

from support.servers.cli import sidecar
from support.servers.companies import founding

_NUMBERS = count(1)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def sidecar_address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    flags: list[str] = ["--drain", "0"]
    if request.param == "postgresql":
        # Made again whenever the tests come back to this database, so each time by another name.
        server, name = request.getfixturevalue("postgres"), f"companies{next(_NUMBERS)}"
        asyncio.run(server.execute(f"CREATE DATABASE {name}"))
        flags += ["--database", server.address(name)]
    with sidecar(tmp_path_factory.mktemp("companies"), *flags) as running:
        yield running.address


@pytest.fixture
async def found(sidecar_address: str) -> AsyncIterator[Callable[..., Any]]:
    """Make companies by pack and settings, each of them a tenant of its own."""
    async with founding(sidecar_address) as make:
        yield make
