"""`sidegate serve` on PostgreSQL, as two teams run it: two sidecars that share one database."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from support.servers.cli import Done, invoke, sidecar

FACTS = """\
tenants:
  acme:
    pack: standard
    members:
      ann: {roles: [owner]}
      bob: {roles: [member], quota: 3}
    resources:
      document:d1: {owner: ann}
"""
PASSWORD = "hush-hush"


@pytest.fixture
async def database(postgres):
    """Yield the address of a database with the user that owns it and a password."""
    async with postgres.database() as made:
        name = made.partition("@/")[2].partition("?")[0]
        await postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        await postgres.execute(f"ALTER DATABASE {name} OWNER TO {name}")
        yield postgres.address(name, user=f"{name}:{PASSWORD}")
    await postgres.execute(f"DROP ROLE {name}")


def allowed(server, subject: str, *flags: object):
    """Return whether a member may view the document, and by which revision token."""
    done = invoke(
        *("check", "--tenant", "acme", subject, "view", "document:d1", "--json"),
        *("--address", server.address, *flags),
    )
    answer = json.loads(done.out)
    return answer["decision"] == "DECISION_ALLOW", answer["revision"]


def asked_until(right: Callable[[Done], bool], *words: object) -> Done:
    """Repeat a command until it ends rightly; return how it ended."""
    while not right(done := invoke(*words)):
        pass
    return done


def test_two_sidecars_on_one_database_are_one(database, tmp_path):
    """What one writes the other decides by, a revision of one is one to the other, and neither prints the password."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    document = tmp_path / "facts.yaml"
    with (
        sidecar(tmp_path / "one", "--database", database) as one,
        sidecar(tmp_path / "two", "--poll-interval", "0.05", env={"SIDEGATE_DATABASE": database}) as two,
    ):
        document.write_text(FACTS)
        assert invoke("facts", "apply", document, "--address", one.address).code == 0
        assert allowed(one, "ann")[0]
        assert not allowed(one, "bob")[0]
        document.write_text(FACTS + "    grants:\n      - {role: viewer, on: document:d1, to: member:bob}\n")
        assert invoke("facts", "apply", document, "--address", one.address).code == 0
        bob, revision = allowed(one, "bob")
        assert bob
        assert allowed(two, "bob", "--at-least-as-fresh", revision) == (True, revision)
        exports = {invoke("facts", "export", "acme", "--address", it.address).out for it in (one, two)}
        announced = "".join(it.announced for it in (one, two))
    assert len(exports) == 1
    assert "viewer" in exports.pop()
    assert "  facts    postgresql:///facts" in announced
    logs = "".join((tmp_path / name / "serve.err").read_text() for name in ("one", "two"))
    assert PASSWORD not in announced + logs


def test_a_server_that_goes_away_is_a_bounded_loss(postgres, database, tmp_path):
    """Without its database a sidecar refuses within the bound, never guesses, and goes on when the database is back."""
    document = tmp_path / "facts.yaml"
    document.write_text(FACTS)
    flags = ("--database", database, "--poll-interval", "0.05", "--max-staleness", "0.5")
    with sidecar(tmp_path, *flags) as server:
        assert invoke("facts", "apply", document, "--address", server.address).code == 0
        question = ("check", "--tenant", "acme", "ann", "view", "document:d1", "--address", server.address)
        postgres.stop()
        try:
            done = asked_until(lambda done: done.code not in (0, 1), *question)
        finally:
            postgres.start()
        assert done.out == ""
        assert "error: " in done.err
        assert "ALLOW" in asked_until(lambda done: done.code == 0, *question).out
    logs = (tmp_path / "serve.err").read_text()
    assert PASSWORD not in logs
    assert "Traceback" not in logs
