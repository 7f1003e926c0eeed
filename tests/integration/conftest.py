"""One sidecar per database for the tests of the membership, each of which makes tenants of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from typing import Any

import pytest

from support.servers.cli import sidecar
from support.servers.companies import Company, founding

_NUMBERS = count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers that describe what fixtures make."""
    config.addinivalue_line("markers", "company(pack, *documents, prepare): what the fixture `company` makes")
    config.addinivalue_line("markers", "server(*flags, documents): how the fixture `server` is started")


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


@pytest.fixture
async def company(request: pytest.FixtureRequest, found: Callable[..., Any]) -> Company:
    """Make the company that a test's marker `company` describes: its pack, its facts documents, and more by a call."""
    marker = request.node.get_closest_marker("company")
    pack, *documents = marker.args
    made: Company = await found(pack)
    for document in documents:
        await made.apply(document)
    if prepare := marker.kwargs.get("prepare"):
        await prepare(made)
    return made
