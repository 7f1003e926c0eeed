"""Who wrote a change, as the commands show it: the caller beside the actor."""

import asyncio
import csv
import io
import json

import pytest

from sidegate.model.change import Change, EntryKind
from sidegate.model.entry import member_payload
from sidegate.model.facts import Member
from sidegate_adapters.sql import open_store
from support.servers.cli import sidecar, sidegate

DOCUMENT = "tenants: {acme: {pack: standard, members: {ann: {roles: [owner]}}}}\n"


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Run a command on a tenant with changes of two callers, the second a service that wrote in the name of ann."""
    directory = tmp_path_factory.mktemp("callers")

    async def write():
        store = await open_store(f"sqlite:///{directory / 'facts.db'}")
        joined = Change(EntryKind.MEMBER, ("bob",), None, member_payload(Member("bob")))
        await store.write({"acme": [joined]}, expected={"acme": 1}, actor="member:ann", caller="orders-service")
        await store.close()

    with sidecar(directory, "--drain", "0", "--database", f"sqlite:///{directory / 'facts.db'}") as running:
        (directory / "facts.yaml").write_text(DOCUMENT)
        assert sidegate("facts", "apply", directory / "facts.yaml", "--address", running.address).code == 0
        asyncio.run(write())
        yield lambda *words: sidegate(*words, "--tenant", "acme", "--address", running.address)


@pytest.mark.parametrize("command", [("list",), ("watch", "--from-beginning", "--once")])
def test_a_change_shows_its_caller(history, command):
    """The lines show the caller behind the actor, JSON has both, and the caller is a filter."""
    lines = [line for line in history("history", *command, "--kind", "member").out.splitlines() if "made" in line]
    assert sorted(" ".join(line.split()[2:5]) for line in lines) == [
        "member:ann via orders-service",
        "platform made member",
    ]

    done = history("history", *command, "--caller", "orders-service", "--json")
    (change,) = json.loads(done.out)["changes"]
    assert (change["actor"], change["caller"], change["change"]["key"]) == ("member:ann", "orders-service", ["bob"])


def test_the_audit_report_has_the_caller_last(history):
    """A column of its own, behind those that were there before."""
    rows = [*csv.DictReader(io.StringIO(history("report", "audit", "--output", "-").out))]
    assert {(row["actor"], row["caller"]) for row in rows} == {("platform", ""), ("member:ann", "orders-service")}
    assert [*rows[0]][-1] == "caller"
