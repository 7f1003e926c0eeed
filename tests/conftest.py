"""What tests of several rooms start once."""

from collections.abc import Iterator

import pytest

from support.postgres_server import PostgresServer, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Return the one PostgreSQL of this process's tests, started by the first that asks."""
    with postgres_server() as server:
        yield server
