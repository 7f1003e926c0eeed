"""The changes between stored facts and wanted ones."""

import json

from hypothesis import given
from hypothesis import strategies as st

from sidegate.facts.diff import difference
from sidegate.model.change import Change, EntryKind
from sidegate.model.entry import EntryKey, Payload, from_entries, to_entries
from sidegate.model.facts import Grant, Group, Member, StoredResource, TenantFacts
from support.facts.any_facts import tenant_facts
from support.facts.coherent_facts import coherent_facts
from support.unhurried import unhurried


def replayed(entries: dict[EntryKey, Payload], change: Change) -> dict[EntryKey, Payload]:
    """Return the entries after one change, whose `before` must match them."""
    entry = (change.entity, change.key)
    assert entries.get(entry) == change.before
    rest = {key: payload for key, payload in entries.items() if key != entry}
    return rest if change.after is None else {**rest, entry: change.after}


@unhurried
@given(st.none() | tenant_facts(), tenant_facts())
def test_replaying_the_changes_makes_the_new_facts(old: TenantFacts | None, new: TenantFacts) -> None:
    """From any facts, or none, to any others: the changes lead there, and each `before` is what was stored."""
    entries = {} if old is None else to_entries(old)
    for change in difference(old, new):
        entries = replayed(entries, change)

    assert from_entries(new.id, entries) == new


@unhurried
@given(coherent_facts(), coherent_facts())
def test_only_what_differs_is_changed(old: TenantFacts, new: TenantFacts) -> None:
    """There is one change per entry whose JSON differs, and none for any other."""
    before, after = _texts(old), _texts(new)
    differing = [entry for entry in before.keys() | after.keys() if before.get(entry) != after.get(entry)]
    changed = [(change.entity, change.key) for change in difference(old, new)]

    assert sorted(changed) == sorted(differing)


def _texts(facts: TenantFacts) -> dict[EntryKey, str]:
    return {entry: json.dumps(payload, sort_keys=True) for entry, payload in to_entries(facts).items()}


@unhurried
@given(st.none() | coherent_facts(), coherent_facts())
def test_nothing_is_ever_left_dangling(old: TenantFacts | None, new: TenantFacts) -> None:
    """After each change, members of groups, and scopes and holders of grants are there."""
    entries = {} if old is None else to_entries(old)
    for change in difference(old, new):
        entries = replayed(entries, change)
        there = {"tenant:acme", *(_name(entry) for entry in entries)}
        for entity, key in entries:
            if entity is EntryKind.GROUP_MEMBER:
                assert {f"group:{key[0]}", key[1]} <= there
            if entity is EntryKind.GRANT:
                assert set(key[1:]) <= there


def _name(entry: EntryKey) -> str:
    entity, key = entry
    return key[0] if entity is EntryKind.RESOURCE else f"{entity}:{':'.join(key)}"


def test_the_order_of_changes() -> None:
    """Entries are created before those that refer to them, and deleted after those that referred to them."""
    old = TenantFacts(
        "acme",
        members={"uma": Member("uma")},
        groups={"sales": Group("sales", members=frozenset({"member:uma"}))},
        resources={"document:d1": StoredResource("document", "d1")},
        grants=frozenset({Grant("owner", "document:d1", "group:sales")}),
    )
    new = TenantFacts(
        "acme",
        pack="paper",
        members={"ugo": Member("ugo")},
        groups={"emea": Group("emea", members=frozenset({"member:ugo"}))},
        resources={"document:d2": StoredResource("document", "d2")},
        grants=frozenset({Grant("owner", "document:d2", "group:emea")}),
    )

    assert [(change.entity.value, *change.key) for change in difference(old, new)] == [
        ("tenant",),
        ("member", "ugo"),
        ("group", "emea"),
        ("group_member", "emea", "member:ugo"),
        ("resource", "document:d2"),
        ("grant", "owner", "document:d2", "group:emea"),
        ("grant", "owner", "document:d1", "group:sales"),
        ("resource", "document:d1"),
        ("group_member", "sales", "member:uma"),
        ("group", "sales"),
        ("member", "uma"),
    ]


def test_true_is_not_one() -> None:
    """A setting or property that turns from 1 into true has changed, deep inside lists too."""
    old = TenantFacts("acme", settings={"a": 1, "b": [0], "c": 1})
    new = TenantFacts("acme", settings={"a": True, "b": [False], "c": 1.0})

    assert len(difference(old, new)) == 1
    assert len(difference(TenantFacts("acme", settings={"b": [0]}), TenantFacts("acme", settings={"b": [False]}))) == 1
    assert difference(old, TenantFacts("acme", settings={"a": 1, "b": [0], "c": 1.0})) == ()
