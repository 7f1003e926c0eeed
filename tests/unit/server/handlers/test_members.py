"""What the member handler does beside the event loop."""

import asyncio

import pytest

from sidegate.authz.v1 import membership_pb2 as pb
from sidegate.errors import InvalidInput
from sidegate.server.handlers.members import MemberHandler
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.tokens.seals import Seals
from support.workbooks import row, xlsx

ROWS = [f"m{number}" for number in range(10_000)]


@pytest.mark.parametrize(
    "table",
    [
        {"spreadsheet": xlsx(row(1, "account"), *(row(n, id_) for n, id_ in enumerate([*ROWS, "x", "y"], start=2)))},
        {"csv": "\n".join(["account", *ROWS[1:], '"'])},
    ],
    ids=["spreadsheet", "csv"],
)
async def test_a_table_is_read_beside_the_loop(table):
    """EF-12: while a table is read, all else goes on; it is refused in the end."""
    key = b"a key that only tests know"
    handler = MemberHandler(None, None, RevisionTokens(key), Seals(key))
    reading = asyncio.ensure_future(handler.invite_members(pb.InviteMembersRequest(parent="tenants/acme", **table)))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    with pytest.raises(InvalidInput):
        await reading
    assert turns > 10
