"""What a server does not need is not imported."""

import subprocess
import sys

import pytest

_SERVE = """
import asyncio, sys
from sidegate import bootstrap
from sidegate.config.load import load_settings

async def serve():
    async with bootstrap.serving(load_settings({"database": sys.argv[1], "listen": "127.0.0.1:0", "drain": 0})):
        print(*sys.modules)

asyncio.run(serve())
"""
UNUSED = {"alembic", "asyncpg", "casbin", "cryptography", "email_validator", "hiredis", "jwt", "openpyxl"}
UNUSED |= {"phonenumbers", "redis"}


@pytest.fixture
def modules(tmp_path) -> set[str]:
    """The modules of a process that serves an SQLite database of the newest schema, without Redis."""
    address = f"sqlite:///{tmp_path}/facts.db"
    for _ in range(2):  # the first one makes the tables
        run = subprocess.run([sys.executable, "-c", _SERVE, address], stdout=subprocess.PIPE, text=True, check=True)
    return set(run.stdout.split())


def test_libraries_that_are_not_in_use_are_not_imported(modules):
    """Other databases, Redis, migrations, spreadsheets, pycasbin, checks of addresses and tokens wait until used."""
    assert "sqlalchemy" in modules
    assert modules & UNUSED == set()
