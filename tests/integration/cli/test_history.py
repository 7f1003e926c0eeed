"""`sidegate history` against a real server with a real database."""

from __future__ import annotations

import json

import pytest

from support.servers.cli import sidegate

DOCUMENT = """\
tenants:
  acme:
    pack: standard
    members:
      ann: {name: Ann, roles: [owner]}
      bob: {roles: [member], quota: 3}
    resources:
      document:d1: {owner: ann}
"""


DOCUMENTS = [("ops0", DOCUMENT), ("ops1", DOCUMENT.replace("quota: 3", "quota: 5"))]
pytestmark = pytest.mark.server("--drain", "0", documents=DOCUMENTS)


@pytest.fixture
def history(server):
    """Run a history command."""
    return lambda *words: sidegate("history", *words, "--tenant", "acme", "--address", server.address)


def test_changes_are_listed_as_a_table(history):
    """Each change is a line with its actor, what happened, to what, and what it had and has."""
    done = history("list", "--member", "bob", "--kind", "member")
    header, altered, made = done.out.splitlines()
    assert header.split() == ["time", "actor", "change", "kind", "of", "details"]
    assert altered.split()[2:] == ["ops1", "altered", "member", "bob", "quota", "3", "→", "5"]
    assert made.split()[2:6] == ["ops0", "made", "member", "bob"]


def test_pages_follow_each_other(history):
    """The line at the end names the next page."""
    first = history("list", "--limit", "1")
    token = first.out.splitlines()[-1].removeprefix("There are more: --page ")
    second = history("list", "--limit", "1", "--page", token)
    assert second.code == 0
    assert second.out.splitlines()[1] != first.out.splitlines()[1]


def test_json_is_the_answer_of_the_wire(history):
    """A script gets revision, time, actor and payloads."""
    done = history("list", "--by", "ops1", "--json")
    (change,) = json.loads(done.out)["changes"]
    assert change["change"]["before"]["quota"] == 3
    assert change["change"]["after"]["quota"] == 5
    assert change["revision"]


def test_times_bound_the_list(history):
    """Nothing is older than the past or newer than the future; a time without a zone is a sentence."""
    assert len(history("list", "--to", "2001-01-01").out.splitlines()) == 1
    assert len(history("list", "--from", "2001-01-01T00:00:00Z").out.splitlines()) > 5
    done = history("list", "--from", "2001-01-01T00:00:00")
    assert done.code == 2
    assert "expected a time such as" in done.err


def test_the_past_is_exported_by_revision_and_by_time(history, server):
    """`facts export --at` takes a revision of the history or a time, and its file holds the facts of that time."""
    (made,) = json.loads(history("list", "--kind", "tenant", "--json").out)["changes"]
    for at in (made["revision"], made["time"]):
        done = sidegate("facts", "export", "acme", "--at", at, "--address", server.address)
        assert done.code == 0, done.err
        assert "quota: 3" in done.out
    assert "quota: 5" in sidegate("facts", "export", "acme", "--address", server.address).out


def test_a_wrong_revision_is_a_sentence(server):
    """Exit code 2, and the field that is wrong."""
    done = sidegate("facts", "export", "acme", "--at", "yesterday", "--address", server.address)
    assert done.code == 2
    assert "at_revision: not a revision of this tenant" in done.err
