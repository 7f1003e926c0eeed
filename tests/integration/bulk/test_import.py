"""Documents of any size: sent in chunks, applied as one, and seen by every later decision."""

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from sidegate.authz.v1 import facts_pb2 as pb
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub
from support.servers.cli import PROGRAM, Sidecar, environment, sidecar, sidegate

MESSAGE = 1_200_000
DOCUMENT = "tenants:\n  acme:\n    members:\n      uma: {roles: [owner]}\n" + "# what nobody reads, ünd more\n" * 60_000
"""It is larger than a message of this server may be."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    directory = tmp_path_factory.mktemp("import")
    config = directory / "sidegate.yaml"
    config.write_text(f"bulk_message_bytes: {MESSAGE}\n")
    with sidecar(directory, "--drain", "0", "--config", config) as running:
        yield running


def test_a_document_larger_than_a_message_is_applied_as_one(server: Sidecar, tmp_path: Path) -> None:
    """The command sends it in chunks; plan and apply say the same, and the member can be decided about."""
    assert len(DOCUMENT.encode()) > MESSAGE
    file = tmp_path / "large.yaml"
    file.write_text(DOCUMENT, encoding="utf-8")

    planned = sidegate("facts", "plan", file, "--json", "--address", server.address)
    written = sidegate("facts", "apply", file, "--json", "--address", server.address)

    assert (planned.err, written.err) == ("", "")
    (plan,), (write,) = json.loads(planned.out)["tenants"], json.loads(written.out)["tenants"]
    assert (plan["revision"], plan["changes"]) == ("", write["changes"])
    assert [change["entity"] for change in write["changes"]] == ["tenant", "member", "grant"]
    assert write["revision"]
    exported = sidegate("facts", "export", "acme", "--address", server.address)
    assert "uma: {roles: [owner]}" in exported.out


def test_an_error_in_a_large_document_names_its_line_and_changes_nothing(server: Sidecar, tmp_path: Path) -> None:
    """The error is that of a small document."""
    file = tmp_path / "faulty.yaml"
    file.write_text(DOCUMENT.replace("acme", "globex") + "unknown: 1\n", encoding="utf-8")

    done = sidegate("facts", "apply", file, "--yes", "--address", server.address)

    assert done.code == 2
    assert f"{file}:60005: unknown: unknown key `unknown`" in done.err
    assert "globex" not in sidegate("facts", "export", "--address", server.address).out


def test_progress_is_shown_on_a_terminal_only(server: Sidecar, tmp_path: Path) -> None:
    """Standard error shows the stages where it is a terminal; standard output is the same as ever."""
    file = tmp_path / "large.yaml"
    file.write_text(DOCUMENT, encoding="utf-8")
    master, terminal = pty.openpty()
    with os.fdopen(master, "rb", buffering=0) as screen:
        command = (PROGRAM, "facts", "plan", str(file), "--address", server.address)
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=terminal, env=environment(TERM="xterm"), encoding="utf-8"
        )
        os.close(terminal)
        shown = b"".join(iter(lambda: _read(screen), b""))
        out, _ = process.communicate()

    assert b"reading" in shown or b"comparing" in shown
    assert out.startswith("acme\n")


def _read(screen) -> bytes:
    try:
        return screen.read(4096)
    except OSError:  # the terminal's other end is closed
        return b""


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ([pb.ImportFactsRequest(chunk=b"tenants: {}")], "options"),
        ([pb.ImportFactsRequest(options=pb.ImportFactsOptions())] * 2, "chunk"),
    ],
)
async def test_messages_in_another_order_are_refused(
    server: Sidecar, parts: list[pb.ImportFactsRequest], field: str
) -> None:
    """The options come first, then chunks."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in FactsServiceStub(channel).ImportFacts(iter(parts)):
                pass
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in caught.value.details()
