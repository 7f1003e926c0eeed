"""A server that is killed in the middle of an apply leaves all of it or nothing."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from sidegate.documents.yaml import parse_document
from support.servers.served import SIDEGATE, environment, served
from support.waiting import block_until

MEMBERS = 1_000
TENANTS = ("acme", "globex")
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def document(path: Path, generation: int) -> Path:
    """Write a document of two tenants, all of whose members are named for the generation."""
    members = "".join(f"      m{n}: {{name: g{generation}, roles: [member]}}\n" for n in range(MEMBERS))
    path.write_text("tenants:\n" + "".join(f"  {tenant}:\n    members:\n{members}" for tenant in TENANTS))
    return path


def stored(server) -> dict[str, set[str]]:
    """Return the names of the members of each stored tenant."""
    exported = server.run("facts", "export")
    assert exported.returncode == 0, exported.stderr
    tenants = parse_document(exported.stdout, "export").value["tenants"] or {}
    assert all(len(tenant["members"]) == MEMBERS for tenant in tenants.values())
    return {name: {member["name"] for member in tenant["members"].values()} for name, tenant in tenants.items()}


def named(generation: int) -> dict[str, set[str]]:
    return {tenant: {f"g{generation}"} for tenant in TENANTS}


def applying(server, facts: Path) -> subprocess.Popen[bytes]:
    """Begin to apply a document."""
    return subprocess.Popen(
        [SIDEGATE, "facts", "apply", facts],
        env=environment(SIDEGATE_ADDRESS=server.address),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def is_written(database: Path) -> bool:
    """Return whether a transaction writes to the database now."""
    with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        connection.execute("ROLLBACK")
        return False


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("tenant", "member"), [("acme", "m0"), ("acme", "m999"), ("globex", "m999")])
def test_a_killed_apply_leaves_nothing(tmp_path, tenant, member):
    """A server that dies inside the transaction of an apply, early or late in it, leaves every tenant as before."""
    database, facts = tmp_path / "facts.db", tmp_path / "facts.yaml"
    with served(database) as server:
        assert server.run("facts", "apply", document(facts, 0)).returncode == 0
    with closing(sqlite3.connect(database)) as connection:
        # The write of this member never ends.
        condition = f"NEW.tenant = '{tenant}' AND NEW.id = '{member}'"
        connection.execute(f"CREATE TRIGGER stall BEFORE UPDATE ON members WHEN {condition} BEGIN {ENDLESS}; END")
    with served(database) as server:
        client = applying(server, document(facts, 1))
        block_until(lambda: is_written(database))
        assert client.poll() is None
        server.kill()
        assert client.wait() != 0
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("DROP TRIGGER stall")
    with served(database) as server:
        assert stored(server) == named(0)


@pytest.mark.timeout(240)
def test_an_apply_that_was_answered_outlives_its_server(tmp_path):
    """What a client got an answer for is stored after a kill."""
    database, facts = tmp_path / "facts.db", tmp_path / "facts.yaml"
    with served(database) as server:
        assert server.run("facts", "apply", document(facts, 0)).returncode == 0
        server.kill()
    with served(database) as server:
        assert stored(server) == named(0)
