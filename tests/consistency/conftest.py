"""One cluster for the tests of a file, each of which leaves it whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from random import Random

import pytest_asyncio

from support.histories.clients import Client, Notes
from support.histories.cluster import Cluster, cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def client(servers: Cluster) -> Client:
    """A client whose every answer is noted."""
    return Client("client", servers.nodes, Notes(), Random(0))
