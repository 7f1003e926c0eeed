"""What every MembershipStore keeps beside the facts: lookups by an index, lists, seats, receipts, invitations."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from sidegate.model.change import Change, EntryKind, Receipt
from sidegate.model.entry import to_entries
from sidegate.model.facts import Grant, Group, Member, MemberStatus, StoredResource, TenantFacts
from sidegate.model.page import Invitation, MemberQuery, Relation, TenantQuery, TenantSize
from sidegate.ports.membership_store import MembershipStore
from support.facts.changes import changes_between
from support.facts.revisions import numbered

ACME = TenantFacts(
    "acme",
    pack="standard",
    settings={"seats": 3},
    members={
        "uma": Member("uma", name="Uma", email="Ümit@acme.example", phone="+628123456789"),
        "ugo": Member("ugo", MemberStatus.PENDING, name="100%"),
        "zoe": Member("zoe", MemberStatus.INACTIVE, email="z_e@acme.example"),
    },
    groups={"sales": Group("sales", "Sales", frozenset({"member:uma", "group:all"})), "all": Group("all")},
    resources={
        "document:d1": StoredResource("document", "d1", frozenset({"template:nda", "group:sales"}), {"a": 1}),
        "document:d2": StoredResource("document", "d2", frozenset({"group:sales"})),
        "template:nda": StoredResource("template", "nda"),
    },
    grants=frozenset(
        {
            Grant("admin", "tenant:acme", "member:uma"),
            Grant("member", "tenant:acme", "group:sales"),
            Grant("owner", "document:d1", "member:uma"),
        }
    ),
)
OTHER = TenantFacts("globex", members={"uma": Member("uma", email="u@globex.example")})
INVITED = Change(EntryKind.INVITATION, ("ugo",), None, {"id": "i1", "expires_at": "2030-01-01T00:00:00+00:00"})


@pytest.fixture
async def filled(store):
    """A store with two tenants, an invitation among them."""
    changes = {"acme": [*changes_between(None, ACME), INVITED], "globex": changes_between(None, OTHER)}
    await store.write(changes, expected={}, actor="platform")
    return store


async def ids(store: MembershipStore, **query: object) -> list[str]:
    found, revision = await store.members("acme", MemberQuery(**query), after="", limit=10)
    assert revision.number == 1
    return [record.member.id for record in found]


async def test_entries_are_those_of_the_facts(filled):
    """Each kind of entry is found by its key, as in the whole facts; a missing one is left out."""
    entries = to_entries(ACME)
    missing = [(EntryKind.MEMBER, ("eve",)), (EntryKind.GRANT, ("admin", "tenant:acme", "member:ugo"))]

    assert await numbered(filled.entries("acme", [*entries, *missing])) == (entries, 1)
    assert await numbered(filled.entries("nobody", [*entries])) == ({}, 0)


@pytest.mark.parametrize(
    ("relation", "value", "expected"),
    [
        (
            Relation.GRANTS_OF,
            "member:uma",
            {("admin", "tenant:acme", "member:uma"), ("owner", "document:d1", "member:uma")},
        ),
        (Relation.GRANTS_ON, "document:d1", {("owner", "document:d1", "member:uma")}),
        (Relation.GRANTS_AS, "member", {("member", "tenant:acme", "group:sales")}),
        (Relation.GRANTS_AS, "owner", set()),
        (Relation.GROUPS_OF, "member:uma", {("sales", "member:uma")}),
        (Relation.INSIDE, "sales", {("sales", "member:uma"), ("sales", "group:all")}),
        (Relation.CHILDREN, "group:sales", {("document:d1",), ("document:d2",)}),
        (Relation.EMAIL, "ümit@acme.example", {("uma",)}),
        (Relation.EMAIL, "u@globex.example", set()),
        (Relation.PHONE, "+628123456789", {("uma",)}),
    ],
)
async def test_relations_lead_to_entries_of_the_same_tenant(filled, relation, value, expected):
    """By each index the store finds exactly the entries that have the relation, with their payloads."""
    found, revision = await filled.related("acme", relation, [value])
    entries = to_entries(ACME)

    assert {key for _, key in found} == expected
    assert all(entries[key] == payload for key, payload in found.items())
    assert revision.number == 1


async def test_several_values_are_looked_up_at_once(filled):
    """Values of several types find what each of them finds alone."""
    found, _ = await filled.related("acme", Relation.GRANTS_OF, ["member:uma", "group:sales", "member:eve"])
    assert {key[2] for _, key in found} == {"member:uma", "group:sales"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["ugo", "uma", "zoe"]),
        ({"status": MemberStatus.PENDING}, ["ugo"]),
        ({"role": "admin"}, ["uma"]),
        ({"group": "sales"}, ["uma"]),
        ({"text": "0%"}, ["ugo"]),
        ({"text": "Z_E"}, ["zoe"]),
        ({"text": "_"}, ["zoe"]),
        ({"text": "ÜMIT"}, ["uma"]),
        ({"text": "62812"}, ["uma"]),
        ({"ids": ("zoe", "eve", "uma")}, ["uma", "zoe"]),
        ({"role": "admin", "status": MemberStatus.INACTIVE}, []),
    ],
)
async def test_lists_are_filtered(filled, query, expected):
    """Every condition must hold, and a text is no pattern."""
    assert await ids(filled, **query) == expected


async def test_a_page_begins_after_an_id(filled):
    """A page has at most its limit, by ID, after the given one."""
    found, _ = await filled.members("acme", MemberQuery(), after="ugo", limit=1)
    assert [record.member.id for record in found] == ["uma"]
    assert await numbered(filled.members("nobody", MemberQuery(), after="", limit=1)) == ([], 0)


async def test_a_record_has_what_lists_show(filled):
    """A record has the roles on the tenant, the groups, the invitation and the times."""
    seen = datetime(2024, 5, 6, tzinfo=UTC)
    assert await filled.record_access("acme", "uma", seen)
    assert await filled.record_access("acme", "uma", datetime(2023, 1, 1, tzinfo=UTC))
    assert not await filled.record_access("acme", "eve", seen)

    (ugo, uma), _ = await filled.members("acme", MemberQuery(ids=("uma", "ugo")), after="", limit=9)
    assert (uma.member, uma.roles, uma.groups) == (ACME.members["uma"], ("admin",), ("sales",))
    assert (uma.last_access_at, ugo.last_access_at) == (seen, None)
    assert ugo.invitation == Invitation("i1", datetime(2030, 1, 1, tzinfo=UTC))
    assert uma.created_at is not None


async def test_an_altered_member_keeps_its_times(filled):
    """Writing a member again leaves when it was made and last seen."""
    seen = datetime(2024, 5, 6, tzinfo=UTC)
    await filled.record_access("acme", "uma", seen)
    (before,), _ = await filled.members("acme", MemberQuery(ids=("uma",)), after="", limit=1)
    old = to_entries(ACME)[EntryKind.MEMBER, ("uma",)]
    change = Change(EntryKind.MEMBER, ("uma",), old, {**old, "name": "Ulla"})
    await filled.write({"acme": [change]}, expected={"acme": 1}, actor="platform")

    (after,), _ = await filled.members("acme", MemberQuery(ids=("uma",)), after="", limit=1)
    assert (after.created_at, after.last_access_at) == (before.created_at, seen)
    assert after.member.name == "Ulla"


async def test_seats_are_active_and_invited_members(filled):
    """EF-13: inactive members take no seat."""
    assert await numbered(filled.seats("acme")) == (2, 1)
    assert await numbered(filled.seats("nobody")) == (0, 0)


async def test_a_removed_member_takes_its_invitation_along(filled):
    """Nobody joins by the invitation of a member that was removed and came again."""
    old = to_entries(ACME)[EntryKind.MEMBER, ("ugo",)]
    removal = Change(EntryKind.MEMBER, ("ugo",), old, None)
    await filled.write({"acme": [removal]}, expected={"acme": 1}, actor="platform")
    assert await numbered(filled.entries("acme", [(EntryKind.INVITATION, ("ugo",))])) == ({}, 2)


async def test_tenants_are_listed_by_id_and_state(filled):
    """A page begins after an ID and describes each tenant; a state or IDs are conditions."""
    paused = to_entries(OTHER)[EntryKind.TENANT, ()]
    changes = {"globex": [Change(EntryKind.TENANT, (), paused, {**paused, "suspended": True})]}
    await filled.write(changes, expected={"globex": 1}, actor="platform")

    acme, globex = await filled.tenant_page(TenantQuery(), after="", limit=9)
    assert (acme.id, acme.pack, acme.settings, acme.suspended) == ("acme", "standard", {"seats": 3}, False)
    assert (acme.seats_taken, acme.revision.number, acme.created_at.tzinfo) == (2, 1, UTC)
    assert (globex.id, globex.suspended, globex.seats_taken, globex.revision.number) == ("globex", True, 1, 2)
    for query, after, expected in (
        (TenantQuery(), "acme", [globex]),
        (TenantQuery(suspended=True), "", [globex]),
        (TenantQuery(suspended=False), "", [acme]),
        (TenantQuery(ids=("acme", "nobody")), "", [acme]),
        (TenantQuery(suspended=True, ids=("acme",)), "", []),
    ):
        assert await filled.tenant_page(query, after=after, limit=9) == expected
    assert await filled.tenant_page(TenantQuery(), after="", limit=1) == [acme]


async def test_a_tenants_size_counts_its_members_and_resources(filled):
    """Members in every state and resources of every type count, those of other tenants don't."""
    assert await numbered(filled.size("acme")) == (TenantSize(members=3, resources=3), 1)
    assert await numbered(filled.size("globex")) == (TenantSize(members=1, resources=0), 1)
    assert await numbered(filled.size("nobody")) == (TenantSize(members=0, resources=0), 0)


async def test_children_of_a_parent_are_counted_by_type(filled):
    """Each type with the number of its direct children; empty, if there are none."""
    counts, revision = await filled.counts("acme", "group:sales")
    inside, _ = await filled.related("acme", Relation.CHILDREN, ["group:sales"])
    assert counts == Counter(reference.partition(":")[0] for _, (reference,) in inside)
    assert sum(counts.values()) > 0
    assert await numbered(filled.counts("acme", "group:nobody")) == ({}, revision.number)
    assert await numbered(filled.counts("globex", "group:sales")) == ({}, 1)
    assert await numbered(filled.counts("nobody", "group:sales")) == ({}, 0)


async def test_a_receipt_is_kept_with_its_write(filled):
    """What a request was answered is found again with the revision it made, and only if the write was done."""
    receipt = Receipt("r1", b"digest", b"response")
    change = Change(EntryKind.GROUP, ("new",), None, {"name": ""})
    await filled.write({"acme": [change]}, expected={"acme": 1}, actor="platform", receipt=receipt)

    assert await filled.receipt("acme", "r1") == (receipt, await filled.revision("acme", 2))
    assert await filled.receipt("globex", "r1") is None
    assert await filled.receipt("acme", "r2") is None
