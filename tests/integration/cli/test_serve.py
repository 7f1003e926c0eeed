"""`sidegate serve`: what it says when it starts, how it ends, and why it does not start."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import stat
from pathlib import Path

import pytest

from support.paths import ROOT
from support.servers.cli import invoke, sidecar, sidegate
from support.waiting import block_until

POLICIES = ROOT / "policies"


@pytest.fixture
def packs(tmp_path):
    return Path(shutil.copytree(POLICIES, tmp_path / "policies"))


def refused(tmp_path, *flags, **options) -> str:
    """Return the one message of a server that does not start."""
    done = sidegate(
        "serve", "--listen", "127.0.0.1:0", "--database", f"sqlite:///{tmp_path}/facts.db", *flags, **options
    )
    assert done.code == 2, done
    assert done.out == ""
    assert "Traceback" not in done.err
    return done.err


def test_it_says_where_it_listens_and_what_it_decides_by(tmp_path):
    """Address, packs, engine and database are printed; without --demo there is no line to paste."""
    with sidecar(tmp_path) as running:
        assert "standard (default)" in running.announced
        assert "mekari-sign" in running.announced
        assert f"sqlite:///{tmp_path}/facts.db" in running.announced
        assert "sidegate check" not in running.announced
        assert not running.address.endswith(":0")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_gracefully_on_a_signal(tmp_path, number):
    """Ctrl-C, which passes over the lame-duck time, and SIGTERM are the ordinary end: exit code 0."""
    with sidecar(tmp_path, *(("--lame-duck", "3600") if number == signal.SIGINT else ())) as running:
        assert running.stop(number) == 0


def test_it_serves_on_several_addresses(tmp_path):
    """A port and a Unix socket answer alike, and the socket has the mode that was set."""
    path = tmp_path / "s.sock"
    with sidecar(tmp_path, "--listen", f"unix:{path}", "--socket-mode", "600") as running:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for address in (running.address, f"unix:{path}"):
            assert sidegate("healthcheck", "--address", address).out == "SERVING\n"


def test_the_demo_can_be_started_again(tmp_path):
    """A second start on the same database finds its demo tenant."""
    for _ in range(2):
        with sidecar(tmp_path, "--demo") as running:
            line = next(line for line in running.announced.splitlines() if "sidegate check" in line)
            assert f"--address {running.address}" in line


def test_the_environment_configures_it(tmp_path):
    """SIDEGATE_ variables set what flags set."""
    with sidecar(tmp_path, env={"SIDEGATE_DEFAULT_PACK": "eformsign"}) as running:
        assert "eformsign (default)" in running.announced


def test_all_faults_of_the_settings_stop_it_at_once(tmp_path):
    """Faults of flags, environment and file are reported together."""
    config = tmp_path / "sidegate.yaml"
    config.write_text("log_level: loud\n")
    error = refused(tmp_path, "--config", config, "--engine", "fast", env={"SIDEGATE_DRAIN": "soon"})
    assert error.splitlines() == [
        "error: 3 faults",
        f"  {config}:1: log_level: `loud` is not right: expected `debug`, `info`, `warning` or `error`",
        "  environment SIDEGATE_DRAIN: drain: `soon` is not right: expected seconds, 0 to 3600",
        "  flag --engine: engine: `fast` is not right: expected `indexed` or `reference`",
    ]


def test_a_port_in_use_is_a_sentence(tmp_path):
    """The address is named, and that another program has it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = sidegate("serve", "--listen", address, "--database", f"sqlite:///{tmp_path}/facts.db")
    assert done.code == 2
    assert done.err.splitlines()[-1] == f"error: can't start: can't listen on `{address}`: another program already does"
    assert "Traceback" not in done.err


def test_a_socket_without_its_directory_is_a_sentence(tmp_path):
    """Nothing is made where the path leads nowhere."""
    error = refused(tmp_path, "--listen", f"unix:{tmp_path}/none/s.sock")
    assert error.splitlines()[-1].startswith("error: can't start: can't listen on `unix:")


@pytest.mark.parametrize("path", ["none/facts.db", "file/facts.db", ""])
def test_a_database_that_cannot_be_opened_is_a_sentence(tmp_path, path):
    """A missing directory, a file where a directory is needed, and a directory instead of a file."""
    (tmp_path / "file").touch()
    done = sidegate("serve", "--listen", "127.0.0.1:0", "--database", f"sqlite:///{tmp_path}/{path}")
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("error: can't start: ")
    assert str(tmp_path) in done.err
    assert "Traceback" not in done.err


def test_a_database_that_is_none_is_a_sentence(tmp_path):
    """A file with something else in it stays as it is."""
    (tmp_path / "facts.db").write_text("dear diary\n" * 1000)
    assert "error: can't start: " in refused(tmp_path)
    assert (tmp_path / "facts.db").read_text().startswith("dear diary")


def test_a_pack_that_does_not_load_stops_it_before_it_listens(tmp_path, packs):
    """Every fault is reported with file and line."""
    csv = packs / "standard" / "policy.csv"
    lines = csv.read_text().count("\n")
    csv.write_text(csv.read_text() + "p, nobody_knows, tenant, document, view, True, allow, ST-01\np, owner\n")
    error = refused(tmp_path, "--policies", packs)
    assert f"{csv}:{lines + 1}: " in error
    assert f"{csv}:{lines + 2}: " in error


def test_a_default_pack_that_is_not_there_stops_it(tmp_path):
    """The nearest name is offered."""
    assert "did you mean `standard`?" in refused(tmp_path, "--default-pack", "standart")


def test_packs_that_are_not_there_stop_it(tmp_path):
    """A directory that does not exist is a fault of the settings, an empty one of the packs."""
    assert f"`{tmp_path}/none` is not right: expected a directory" in refused(tmp_path, "--policies", tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert f"{tmp_path}/empty: there is no pack" in refused(tmp_path, "--policies", tmp_path / "empty")


def test_a_hangup_reloads_changed_packs(tmp_path, packs):
    """SIGHUP reloads the packs without a restart; packs with a fault are refused with their file and line."""
    question = ("check", "--tenant", "demo", "uma", "view", "document:contract", "--json")
    with sidecar(tmp_path, "--policies", packs, "--demo") as running:

        def digest() -> str:
            return str(json.loads(invoke(*question, "--address", running.address).out)["policy_digest"])

        def reloaded(text: str, logged: str) -> None:
            (packs / "standard" / "policy.csv").write_text(text)
            running.process.send_signal(signal.SIGHUP)
            block_until(lambda: logged in (tmp_path / "serve.err").read_text())

        policy = (packs / "standard" / "policy.csv").read_text()
        first = digest()
        reloaded(policy + "\n# another digest\n", "packs reloaded")
        second = digest()
        reloaded(policy + "p, nobody_knows, tenant, document, view, True, allow, ST-01\n", "policy.csv:")
        assert second != first
        assert digest() == second
        assert running.stop() == 0
