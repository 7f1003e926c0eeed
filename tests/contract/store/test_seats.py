"""The counter of seats, on every database that the store runs on."""

from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidegate.model.change import Change, EntryKind
from sidegate.model.facts import MemberStatus
from support.facts.changes import changes_between
from support.facts.coherent_facts import coherent_facts
from support.facts.revisions import numbered

_NAMES = map("tenant{}".format, count())
_SEATED = {MemberStatus.ACTIVE, MemberStatus.PENDING}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=st.lists(coherent_facts() | st.none(), min_size=1, max_size=6))
async def test_seats_are_counted_through_any_writes(store, states):
    """EF-13: whatever members come, change, go and come again with their tenant, the seats are those of the members."""
    tenant, before, revision = next(_NAMES), None, 0
    for after in states:
        changes = changes_between(before, after) if after else _removal(before)
        if changes:
            # One that is removed and made again in a single write starts from nothing too.
            changes = [*_removal(before), *changes_between(None, after)] if after and len(changes) % 2 else changes
            written = await store.write({tenant: changes}, expected={tenant: revision}, actor="platform")
            revision = written[tenant].number
        before = after
        expected = sum(member.status in _SEATED for member in after.members.values()) if after else 0
        assert await numbered(store.seats(tenant)) == ((expected, revision) if after else (0, 0))
        revision = revision if after else 0


async def test_a_wrong_before_moves_no_seat(store):
    """What a change says of before is not believed: seats follow the rows."""
    active = {"status": "active", "name": "", "email": "", "mfa": False, "quota": None}
    made = [
        Change(EntryKind.TENANT, (), None, {"pack": "", "settings": {}}),
        Change(EntryKind.MEMBER, ("uma",), None, active),
    ]
    await store.write({"acme": made}, expected={}, actor="platform")
    wrong = [
        Change(EntryKind.MEMBER, ("uma",), None, active),
        Change(EntryKind.MEMBER, ("ugo",), active, None),
    ]
    await store.write({"acme": wrong}, expected={"acme": 1}, actor="platform")

    assert await numbered(store.seats("acme")) == (1, 2)


def _removal(before):
    return [Change(EntryKind.TENANT, (), {"pack": before.pack, "settings": {}}, None)] if before else []
