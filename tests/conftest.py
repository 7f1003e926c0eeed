"""What tests of several rooms start once."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from support.servers.postgres import PostgresServer, postgres_server

# Tests that talk gRPC also start servers: the library's handlers of forks can crash the child before it is one.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"

# No test fails for being slow on a busy machine, whichever it is.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Return the one PostgreSQL of this process's tests, started by the first that asks."""
    with postgres_server() as server:
        yield server
