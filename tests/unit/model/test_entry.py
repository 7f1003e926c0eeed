"""The codec between a tenant's facts and their entries."""

import json

import pytest
from hypothesis import given

from sidegate.errors import InvalidInput
from sidegate.model.change import EntryKind
from sidegate.model.entry import from_entries, to_entries
from sidegate.model.facts import CustomRole, Grant, Group, Member, MemberStatus, StoredResource, TenantFacts
from support.facts.any_facts import tenant_facts


@given(tenant_facts())
def test_facts_survive_the_way_through_json(facts: TenantFacts) -> None:
    """Any facts come back equal from their entries, even after each payload was JSON text."""
    entries = {key: json.loads(json.dumps(payload)) for key, payload in to_entries(facts).items()}

    assert from_entries(facts.id, entries) == facts


@given(tenant_facts())
def test_the_order_of_entries_does_not_matter(facts: TenantFacts) -> None:
    """Entries in reverse order, members before their group, make the same facts."""
    assert from_entries(facts.id, dict(reversed(to_entries(facts).items()))) == facts


def test_each_kind_has_its_key_and_payload() -> None:
    """The keys and payloads are the documented ones, which stored changes rely on."""
    facts = TenantFacts(
        "acme",
        pack="standard",
        settings={"seats": 3},
        members={"uma": Member("uma", MemberStatus.PENDING, name="Uma", email="u@acme.example", mfa=True, quota=2)},
        groups={"sales": Group("sales", "Sales", frozenset({"member:uma"}))},
        roles={"Reviewer": CustomRole("Reviewer", {"document": frozenset({"view", "comment"})})},
        resources={"document:d:1": StoredResource("document", "d:1", frozenset({"template:nda"}), {"status": "draft"})},
        grants=frozenset({Grant("owner", "document:d:1", "member:uma")}),
    )

    assert to_entries(facts) == {
        (EntryKind.TENANT, ()): {"pack": "standard", "settings": {"seats": 3}},
        (EntryKind.MEMBER, ("uma",)): {
            "status": "pending",
            "name": "Uma",
            "email": "u@acme.example",
            "mfa": True,
            "quota": 2,
        },
        (EntryKind.GROUP, ("sales",)): {"name": "Sales"},
        (EntryKind.GROUP_MEMBER, ("sales", "member:uma")): {},
        (EntryKind.ROLE, ("Reviewer",)): {"permissions": {"document": ["comment", "view"]}},
        (EntryKind.RESOURCE, ("document:d:1",)): {"parents": ["template:nda"], "properties": {"status": "draft"}},
        (EntryKind.GRANT, ("owner", "document:d:1", "member:uma")): {},
    }


def test_entries_without_their_tenant_are_refused() -> None:
    """Entries that lack the tenant's own entry name the tenant in their error."""
    with pytest.raises(InvalidInput, match="`acme`"):
        from_entries("acme", {(EntryKind.GROUP, ("sales",)): {"name": ""}})


def test_a_member_of_no_group_is_refused() -> None:
    """A group member whose group has no entry is an error, never a member silently lost."""
    entries = to_entries(TenantFacts("acme")) | {(EntryKind.GROUP_MEMBER, ("sales", "member:uma")): {}}

    with pytest.raises(InvalidInput, match="`sales`"):
        from_entries("acme", entries)
