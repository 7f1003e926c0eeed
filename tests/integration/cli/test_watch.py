"""`sidegate history watch` against real servers that come and go."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.servers.cli import PROGRAM, apply_facts, environment, sidecar, sidegate
from support.servers.ports import reserved_port

DOCUMENT = """\
tenants:
  acme:
    pack: standard
    members:
      ann: {name: Ann, roles: [owner]}
      bob: {roles: [member], quota: 3}
"""
LAST = "To go on: --cursor "


DOCUMENTS = [("ops", DOCUMENT), ("ops", DOCUMENT.replace("quota: 3", "quota: 5"))]
pytestmark = pytest.mark.server("--drain", "0", documents=DOCUMENTS)


def watched(server, *words: object):
    return sidegate("history", "watch", "--once", "--address", server.address, *words)


def test_each_change_is_a_line(server):
    """Changes are printed as the list prints them, the oldest first; without a tenant each line names its own."""
    done = watched(server, "--from-beginning", "--kind", "member", "--tenant", "acme")
    lines = done.out.splitlines()
    assert [line.split()[2:6] for line in lines[:2]] == [["ops", "made", "member", name] for name in ("ann", "bob")]
    assert lines[2].split()[2:] == ["ops", "altered", "member", "bob", "quota", "3", "→", "5"]
    assert done.err.startswith(LAST)
    every = watched(server, "--from-beginning", "--kind", "member").out.splitlines()
    assert [line.split()[2] for line in every] == ["acme"] * 3


def test_a_cursor_goes_on_from_there(server, tmp_path):
    """The cursor that a command ends with, and that of each line of JSON, is where the next one begins."""
    done = watched(server, "--json", "--from-beginning", "--tenant", "acme")
    (answer,) = map(json.loads, done.out.splitlines())
    assert answer["caught_up"]
    assert answer["changes"][-1]["change"]["after"]["quota"] == 5
    assert done.err.strip() == LAST + answer["cursor"]
    assert not watched(server, "--tenant", "acme", "--cursor", answer["cursor"]).out
    apply_facts(tmp_path, server.address, DOCUMENT.replace("quota: 3", "quota: 8"), actor="ops")
    assert "quota 5 → 8" in watched(server, "--tenant", "acme", "--cursor", answer["cursor"]).out


def test_what_is_wrong_is_a_sentence(server):
    """A cursor that is none, two beginnings, and an unknown tenant end immediately with exit code 2."""
    done = watched(server, "--cursor", "yesterday")
    assert (done.code, "cursor: is not right" in done.err) == (2, True)
    done = watched(server, "--from-beginning", "--from", "2026-01-01")
    assert (done.code, "name one of --cursor, --from-beginning and --from" in done.err) == (2, True)
    done = sidegate("history", "watch", "--tenant", "never", "--address", server.address)
    assert (done.code, "there never was a tenant `never`" in done.err) == (2, True)


def test_once_does_not_wait_for_a_server():
    """Where nothing answers, a command that shall end soon ends, with exit code 3."""
    done = sidegate("history", "watch", "--once", "--address", "127.0.0.1:1")
    assert done.code == 3
    assert "no server answers" in done.err


@contextmanager
def following(address: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    command = [PROGRAM, "history", "watch", "--json", "--tenant", "acme", "--address", address, *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until_printed(process: subprocess.Popen[str], quota: int) -> list[dict]:
    """Read lines until bob's quota is printed as a given number; return all changes."""
    changes: list[dict] = []
    for line in process.stdout:
        changes += json.loads(line).get("changes", [])
        if changes and changes[-1]["change"].get("after", {}).get("quota") == quota:
            return changes
    raise AssertionError(process.stderr.read())


def test_it_comes_back_by_itself_and_ends_clean(tmp_path):
    """Over a server that is killed it goes on with the next one, telling all, until Ctrl-C ends it with 0."""
    address = f"127.0.0.1:{reserved_port()}"
    with sidecar(tmp_path, "--drain", "0", listen=address) as running:
        apply_facts(tmp_path, address, DOCUMENT, actor="ops")
        with following(address, "--from-beginning", "--kind", "member") as process:
            assert len(until_printed(process, 3)) == 2
            running.stop(signal.SIGKILL)
            with sidecar(tmp_path, "--drain", "0", listen=address):
                for quota in (5, 7):
                    apply_facts(tmp_path, address, DOCUMENT.replace("quota: 3", f"quota: {quota}"), actor="ops")
                assert [one["change"]["after"]["quota"] for one in until_printed(process, 7)] == [5, 7]
                process.send_signal(signal.SIGINT)
                assert process.wait() == 0
            errors = process.stderr.read().splitlines()
            assert "trying again in" in errors[0]
            assert errors[-1].startswith(LAST)
