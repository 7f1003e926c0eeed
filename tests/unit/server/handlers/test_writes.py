"""The path of every write: the response, the receipt that is stored with it, and a repeated request."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf.message import Message

from sidegate.authz.v1 import role_pb2 as pb
from sidegate.bootstrap import Core
from sidegate.errors import InvalidInput
from sidegate.membership.command.context import CommandContext
from sidegate.membership.command.context_factory import ContextFactory
from sidegate.membership.command.read import ReadRunner
from sidegate.membership.command.run import CommandRunner
from sidegate.membership.groups import Groups
from sidegate.model.change import EntryKind, Receipt
from sidegate.server.handlers.calls import write_call
from sidegate.server.handlers.groups import GroupHandler
from sidegate.server.handlers.writes import Writes
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.tokens.seals import Seals
from support.decisions.deciding import apply, deciding

DOCUMENT = """\
tenants:
  acme:
    pack: mekari-sign
    members:
      ann: {roles: [owner]}
"""
KEY = b"k" * 32
SALES = pb.CreateGroupRequest(parent="tenants/acme", group_id="sales", members=["member:ann"], request_id="r1")


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a write handler is made of, over one store."""

    core: Core
    commands: CommandRunner
    groups: GroupHandler
    writes: Writes

    async def receipt(self, request_id: str) -> Receipt:
        """Return the receipt of a request."""
        found = await self.core.store.receipt("acme", request_id)
        assert found is not None
        return found[0]


@pytest.fixture
async def sidecar(tmp_path: Path) -> AsyncIterator[Sidecar]:
    """A decision point with one tenant, and its group handler."""
    async with deciding(tmp_path / "facts.db") as core:
        await apply(core, DOCUMENT)
        contexts = ContextFactory(core.store, core.decider, lambda name: core.packs.get(name).pack.schema)
        commands, reads = CommandRunner(contexts, core.follower), ReadRunner(contexts, core.follower)
        tokens = RevisionTokens(KEY)
        yield Sidecar(core, commands, GroupHandler(Groups(commands, reads), tokens, Seals(KEY)), Writes(tokens))


def stored_form(response: Message) -> bytes:
    """Return the bytes of a response without its revision, as a receipt holds them."""
    response.ClearField("revision")
    raw: bytes = response.SerializeToString(deterministic=True)
    return raw


async def test_a_repeated_request_gets_its_first_response(sidecar: Sidecar) -> None:
    """The response of a repeated request equals the first one, revision included, though the group exists by now."""
    first = await sidecar.groups.create_group(SALES)
    assert first.revision
    assert first.group.members == ["member:ann"]
    assert await sidecar.groups.create_group(SALES) == first


async def test_a_receipt_holds_the_response_without_its_revision(sidecar: Sidecar) -> None:
    """The stored bytes are the deterministic form of the response, and the digest is that of type and content."""
    response = await sidecar.groups.create_group(SALES)
    content = b"sidegate.authz.v1.CreateGroupRequest\0" + SALES.SerializeToString(deterministic=True)
    expected = Receipt("r1", hashlib.sha256(content).digest(), stored_form(response))
    assert await sidecar.receipt("r1") == expected


async def test_another_request_of_the_same_id_is_refused(sidecar: Sidecar) -> None:
    """A request ID belongs to one content."""
    await sidecar.groups.create_group(SALES)
    other = pb.CreateGroupRequest(parent="tenants/acme", group_id="legal", request_id="r1")
    with pytest.raises(InvalidInput) as refused:
        await sidecar.groups.create_group(other)
    assert [violation.field for violation in refused.value.violations] == ["request_id"]


@pytest.mark.parametrize("validate_only", [False, True])
async def test_a_response_that_can_not_be_made_writes_nothing(sidecar: Sidecar, *, validate_only: bool) -> None:
    """The response is encoded before the write, also where nothing would be written."""

    class UnencodableError(Exception):
        """The response can't be made."""

    async def plan(context: CommandContext) -> None:
        await context.draft.load([(EntryKind.GROUP, ("sales",))])
        context.draft.put(EntryKind.GROUP, "sales", payload={"name": ""})

    def respond(_: None) -> pb.CreateGroupResponse:
        raise UnencodableError

    before = await sidecar.core.store.entries("acme", [(EntryKind.GROUP, ("sales",))])
    with pytest.raises(UnencodableError):
        await sidecar.writes.run(
            "acme",
            write_call(SALES, validate_only=validate_only),
            kind=pb.CreateGroupResponse,
            use_case=lambda call: sidecar.commands.run("acme", call, plan=plan),
            respond=respond,
        )
    assert await sidecar.core.store.entries("acme", [(EntryKind.GROUP, ("sales",))]) == before
    assert await sidecar.core.store.receipt("acme", "r1") is None


async def test_a_response_is_made_once(sidecar: Sidecar) -> None:
    """What the caller gets is what is stored: a token in it that depends on the time is made once."""
    made: list[pb.CreateGroupResponse] = []

    async def plan(context: CommandContext) -> None:
        await context.draft.load([(EntryKind.GROUP, ("sales",))])
        context.draft.put(EntryKind.GROUP, "sales", payload={"name": ""})

    def respond(_: None) -> pb.CreateGroupResponse:
        made.append(pb.CreateGroupResponse(group=pb.Group(display_name=f"{len(made)}")))
        return made[-1]

    response = await sidecar.writes.run(
        "acme",
        write_call(SALES),
        kind=pb.CreateGroupResponse,
        use_case=lambda call: sidecar.commands.run("acme", call, plan=plan),
        respond=respond,
    )
    assert response is made[0]
    assert len(made) == 1
    assert (await sidecar.receipt("r1")).response == stored_form(response)
