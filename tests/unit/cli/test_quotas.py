"""Quotas over time."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from sidegate.cli.quotas import Quotas
from sidegate.membership.difference import difference
from sidegate.model import Group, Member, TenantFacts
from sidegate.server.facts import write_change


@st.composite
def states(draw):
    """Draw members with and without quota, some of whom stand in groups."""
    quotas = draw(st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(0, 3)))
    inside = {
        id_: frozenset(f"member:{m}" for m in draw(st.sets(st.sampled_from(sorted(quotas))))) if quotas else frozenset()
        for id_ in draw(st.sets(st.sampled_from("gh")))
    }
    return TenantFacts(
        "acme",
        members={id_: Member(id_, quota=quota) for id_, quota in quotas.items()},
        groups={id_: Group(id_, members=members) for id_, members in inside.items()},
    )


@given(history=st.lists(states(), max_size=5))
def test_the_last_rows_are_the_quotas_of_the_state(history) -> None:
    """After any changes, the last value told of each member is its quota, of each group the sum of its members'."""
    quotas, before = Quotas(), None
    told: defaultdict[tuple[str, str], int | None] = defaultdict(lambda: None)
    for state in history:
        for change in difference(before, state):
            for row in quotas.follow(write_change(change)):
                assert (told[row.kind, row.id] or 0) == (row.before or 0)
                told[row.kind, row.id] = row.after
        before = state
        for id_ in "abc":
            member = state.members.get(id_)
            assert told["member", id_] == (member.quota if member else None)
        for id_ in "gh":
            group = state.groups.get(id_)
            inside = [reference.partition(":")[2] for reference in group.members] if group else []
            assert (told["group", id_] or 0) == sum(state.members[member].quota or 0 for member in inside)


def test_a_removed_tenant_has_no_quotas_left() -> None:
    """The removal of a tenant takes every quota away, of members and of groups."""
    members = {"a": Member("a", quota=2), "b": Member("b", quota=3)}
    state = TenantFacts("acme", members=members, groups={"g": Group("g", members=frozenset({"member:a", "member:b"}))})
    quotas = Quotas()
    for change in difference(None, state):
        list(quotas.follow(write_change(change)))
    removal = write_change(difference(None, TenantFacts("acme"))[0])
    removal.before.CopyFrom(removal.after)
    removal.ClearField("after")
    rows = list(quotas.follow(removal))
    assert {(row.kind, row.id): row.after for row in rows} == {
        ("member", "a"): None,
        ("member", "b"): None,
        ("group", "g"): 0,
    }
