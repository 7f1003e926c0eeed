"""The command line shows keys and certificates to a server with a caller file, and makes and checks what is in it."""

from __future__ import annotations

import asyncio
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.servers.authority import Authority
from support.servers.callers import write_callers
from support.servers.cli import Sidecar, invoke, sidecar
from support.waiting import until

SPIFFE = "spiffe://example.org/ns/shop/sa/orders"
QUESTION = ("check", "--tenant", "demo", "uma", "view", "document:contract")
FILE = """\
callers:
  orders:
    identities:
      - spiffe: {spiffe}
      {key}
    rights: {{check: [demo]}}
"""


def made(directory: Path, name: str) -> tuple[Path, str]:
    """Make a key; return its file, and the line for the caller file."""
    path = directory / f"{name}.key"
    done = invoke("callers", "key", name, "--out", path)
    assert done.code == 0, done.err
    return path, done.out.strip()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("credentials")


@pytest.fixture(scope="module")
def authority(directory: Path) -> Authority:
    return Authority(directory)


@pytest.fixture(scope="module")
def key(directory: Path) -> tuple[Path, str]:
    return made(directory, "2026-a")


@pytest.fixture(scope="module")
def running(directory: Path, authority: Authority, key: tuple[Path, str]) -> Iterator[Sidecar]:
    """Run a server with mutual TLS on TCP, and without TLS on a Unix socket."""
    issued = authority.server()
    callers = write_callers(directory, FILE.format(spiffe=SPIFFE, key=key[1]))
    flags = ("--tls-certificate", issued.certificate, "--tls-key", issued.key, "--tls-client-ca", authority.ca)
    sockets = ("--listen", f"unix:{directory}/s.sock", "--callers", callers, "--demo", "--drain", 0)
    with sidecar(directory, *flags, *sockets) as server:
        yield server


@pytest.fixture
def socket(running: Sidecar) -> str:
    return running.announced.partition(", ")[2].splitlines()[0]


def test_a_key_is_in_a_file_or_in_the_environment(socket: str, key: tuple[Path, str], monkeypatch) -> None:
    """Never an argument, which each user of the machine could see in the list of processes."""
    to = (*QUESTION, "--address", socket)
    assert "UNAUTHENTICATED" in invoke(*to).err
    assert invoke(*to).code == 2
    assert invoke(*to, "--token-file", key[0]).out.startswith("ALLOW")
    monkeypatch.setenv("SIDEGATE_TOKEN_FILE", str(key[0]))
    assert invoke(*to).out.startswith("ALLOW")
    monkeypatch.delenv("SIDEGATE_TOKEN_FILE")
    monkeypatch.setenv("SIDEGATE_TOKEN", key[0].read_text())
    assert invoke(*to).out.startswith("ALLOW")
    watched = invoke("history", "watch", "--once", "--from-beginning", "--tenant", "demo", "--address", socket)
    assert (watched.code, "CALLER_LACKS_RIGHT" in watched.err) == (1, True)


def test_a_certificate_is_a_caller(running: Sidecar, authority: Authority) -> None:
    """By its SPIFFE ID; one of the same authority with another name is nobody."""
    for uri, expected in ((SPIFFE, "ALLOW"), (f"{SPIFFE}2", "UNAUTHENTICATED")):
        shown = authority.client(uri=uri)
        files = ("--tls-ca", authority.ca, "--tls-certificate", shown.certificate, "--tls-key", shown.key)
        done = invoke(*QUESTION, "--address", running.address, *files)
        assert expected in done.out + done.err


def test_a_key_is_not_sent_where_it_could_be_read(key: tuple[Path, str]) -> None:
    """To another machine it goes over TLS only."""
    done = invoke(*QUESTION, "--address", "192.0.2.1:8282", "--token-file", key[0])
    assert (done.code, "could be read: expected TLS" in done.err) == (2, True)
    assert key[0].read_text().strip() not in done.err


@pytest.mark.parametrize("content", ["", "two words", "two\nlines", "clé"])
def test_a_file_that_holds_no_key_is_named(tmp_path: Path, content: str) -> None:
    """The message shows the file, and nothing of what is in it."""
    (tmp_path / "x.key").write_text(content)
    done = invoke(*QUESTION, "--token-file", tmp_path / "x.key")
    assert (done.code, "x.key: expected a key or token" in done.err) == (2, True)
    assert not content or content not in done.err


def test_a_key_is_made_once_and_for_its_owner_alone(directory: Path, key: tuple[Path, str]) -> None:
    """Its file is the user's; another one is never overwritten; the line for the caller file has only its SHA-256."""
    path, line = key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().strip() not in line
    again = invoke("callers", "key", "2026-a", "--out", path)
    assert (again.code, "is there already" in again.err) == (2, True)
    printed = invoke("callers", "key", "2026-b")
    assert printed.err.startswith("key: sidegate_")
    assert printed.out.startswith('- key: {name: "2026-b", sha256: "')
    assert invoke("callers", "key", "not a name").code == 2
    assert invoke("callers", "key", "x", "--out", directory / "no" / "x.key").code == 2


def test_a_caller_file_is_linted(tmp_path: Path, key: tuple[Path, str]) -> None:
    """A right file is shown with its rights; of a wrong one every fault is, with its line."""
    path = write_callers(tmp_path, FILE.format(spiffe=SPIFFE, key=key[1]))
    assert (
        invoke("callers", "lint", path).out
        == f"""\
orders (key, spiffe)
  check             demo
{path}: 1 caller, no errors
"""
    )
    write_callers(tmp_path, FILE.format(spiffe="spiffe", key=key[1]).replace("check:", "chek:"))
    done = invoke("callers", "lint", path)
    assert done.code == 2
    assert [line.split(":")[1] for line in done.err.splitlines() if str(path) in line] == ["4", "6"]
    assert '"title": "Sidegate callers"' in invoke("callers", "schema").out


async def test_a_server_takes_a_new_file_on_sighup(tmp_path: Path) -> None:
    """A key is replaced without a restart, and no log shows one."""
    (old, old_line), (new, new_line) = made(tmp_path, "old"), made(tmp_path, "new")
    path = write_callers(tmp_path, FILE.format(spiffe=SPIFFE, key=old_line))
    with sidecar(tmp_path, "--callers", path, "--demo", "--drain", 0) as server:
        log = tmp_path / "serve.err"
        assert f"  callers  {path}\n" in server.announced

        def answers() -> list[bool]:
            to = (*QUESTION, "--address", server.address, "--token-file")
            return [invoke(*to, file).code == 0 for file in (old, new)]

        assert await asyncio.to_thread(answers) == [True, False]
        write_callers(tmp_path, FILE.format(spiffe=SPIFFE, key=new_line))
        server.process.send_signal(signal.SIGHUP)
        await until(lambda: "callers reloaded" in log.read_text())
        assert await asyncio.to_thread(answers) == [False, True]
        assert not any(file.read_text().strip() in log.read_text() for file in (old, new))
