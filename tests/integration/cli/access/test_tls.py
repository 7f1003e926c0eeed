"""The command line and a server with mutual TLS."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.servers.authority import Authority, Issued
from support.servers.cli import Sidecar, invoke, sidecar

QUESTION = ("check", "--tenant", "demo", "uma", "view", "document:contract", "--exit-code")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def shown(authority: Authority) -> Issued:
    return authority.client(dns="orders.shop.svc")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def running(authority: Authority, directory: Path) -> Iterator[Sidecar]:
    issued = authority.server()
    flags = ("--tls-certificate", issued.certificate, "--tls-key", issued.key, "--tls-client-ca", authority.ca)
    with sidecar(directory, "--demo", "--drain", 0, "--listen", f"unix:{directory}/s.sock", *flags) as server:
        yield server


def test_flags_name_the_files(running: Sidecar, authority: Authority, shown: Issued) -> None:
    """With the three files a check is answered."""
    files = ("--tls-ca", authority.ca, "--tls-certificate", shown.certificate, "--tls-key", shown.key)
    done = invoke(*QUESTION, "--address", running.address, *files)
    assert (done.code, done.out.split()[0]) == (0, "ALLOW")


def test_the_environment_names_the_files(
    running: Sidecar, authority: Authority, shown: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables do what the flags do; for the server's Unix socket they change nothing."""
    monkeypatch.setenv("SIDEGATE_CLIENT_TLS_CA", str(authority.ca))
    monkeypatch.setenv("SIDEGATE_CLIENT_TLS_CERTIFICATE", str(shown.certificate))
    monkeypatch.setenv("SIDEGATE_CLIENT_TLS_KEY", str(shown.key))
    unix = running.announced.partition(", ")[2].splitlines()[0]
    for address in (running.address, unix):
        assert invoke("healthcheck", "--address", address).out == "SERVING\n"


def test_a_connection_that_fails_says_what_is_missing(running: Sidecar, authority: Authority, tmp_path: Path) -> None:
    """In clear, without a certificate and with a foreign authority: the message names the flag to check."""
    other = Authority(tmp_path)
    clear = invoke(*QUESTION, "--address", running.address)
    nameless = invoke(*QUESTION, "--address", running.address, "--tls-ca", authority.ca)
    foreign = invoke(*QUESTION, "--address", running.address, "--tls-ca", other.ca)
    assert (clear.code, nameless.code, foreign.code) == (3, 3, 3)
    closes = f"error: `{running.address}` closes the connection: a server with TLS needs --tls-ca"
    assert clear.err.startswith(closes)
    assert nameless.err.startswith(closes)
    assert foreign.err.startswith(f"error: no TLS with `{running.address}`: ")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--tls-certificate", "pem"), "are a pair"),
        (("--tls-ca", "pem", "--tls-key", "pem"), "are a pair"),
        (("--tls-certificate", "pem", "--tls-key", "pem"), "has no effect without TLS"),
        (("--tls-ca", "none"), "does not exist"),
    ],
)
def test_files_that_do_not_belong_together_are_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], said: str
) -> None:
    """Halves of a pair, and a certificate without TLS, are refused before anything is sent."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pem").touch()
    done = invoke(*QUESTION, *flags)
    assert done.code == 2
    assert said in done.err


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    """The file is named, with what would be right."""
    path = tmp_path / "ca.pem"
    path.write_text("not a PEM file")
    done = invoke(*QUESTION, "--tls-ca", path)
    assert done.code == 2
    assert f"{path}: can't be used for TLS: expected a PEM file" in done.err


def test_the_server_logs_no_line_of_the_library_for_a_failed_handshake(
    running: Sidecar, authority: Authority, directory: Path
) -> None:
    """A client that does not get in can't fill the log."""
    invoke(*QUESTION, "--address", running.address, "--tls-ca", authority.ca)
    assert "ssl_transport" not in (directory / "serve.err").read_text()


def test_the_line_to_try_works_as_it_is_printed(running: Sidecar, directory: Path) -> None:
    """It names the address that needs no certificate."""
    (line,) = [line for line in running.announced.splitlines() if "check" in line]
    assert f"--address unix:{directory}/s.sock" in line
    first = shlex.split(line.partition(";")[0])
    assert invoke(*first[first.index("check") :]).out.startswith("ALLOW")
