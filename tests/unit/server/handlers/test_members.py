"""What the member handler does beside the event loop."""

import asyncio
import threading

import pytest

from sidegate.authz.v1 import membership_pb2 as pb
from sidegate.errors import InvalidInput
from sidegate.server.handlers.members import MemberHandler
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.tokens.seals import Seals


@pytest.mark.parametrize(
    "table",
    [
        {"spreadsheet": b"not a workbook"},
        {"csv": 'account\n"'},
    ],
    ids=["spreadsheet", "csv"],
)
async def test_a_table_is_read_beside_the_loop(table):
    """EF-12: a table waits for the one thread that reads tables, while the loop goes on; it is refused in the end."""
    key = b"a key that only tests know"
    handler = MemberHandler(None, None, RevisionTokens(key), Seals(key))
    other_table_is_read = threading.Event()
    handler._tables.submit(other_table_is_read.wait)
    reading = asyncio.ensure_future(handler.invite_members(pb.InviteMembersRequest(parent="tenants/acme", **table)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not reading.done()
    other_table_is_read.set()
    with pytest.raises(InvalidInput):
        await reading
