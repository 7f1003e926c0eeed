"""The written form of facts, and that reading takes it back."""

import json
from dataclasses import replace

import yaml
from hypothesis import given
from hypothesis import strategies as st

from sidegate.documents.yaml import parse_document
from sidegate.facts.read import read_facts
from sidegate.facts.write import write_facts
from sidegate.model.facts import CustomRole, Grant, Group, Member, MemberStatus, StoredResource, TenantFacts
from support.facts.written import written_facts
from support.unhurried import unhurried

ACME = TenantFacts(
    "acme",
    pack="eformsign",
    settings={"require_mfa": False, "seats": 25},
    members={
        "tina": Member("tina", mfa=True, quota=0),
        "rep": Member("rep", MemberStatus.PENDING, name="Rep O'Neil", email="rep@acme.example"),
        "group:odd": Member("group:odd"),
    },
    groups={
        "sales": Group("sales", "Sales", frozenset({"member:tina", "group:emea", "member:group:odd"})),
        "emea": Group("emea"),
    },
    roles={"Reviewer": CustomRole("Reviewer", {"document": frozenset({"view", "comment"})})},
    resources={
        "template:nda": StoredResource("template", "nda"),
        "document:d1": StoredResource("document", "d1", frozenset({"template:nda"}), {"status": "yes", "pages": 3}),
        "document:d2": StoredResource("document", "d2"),
    },
    grants=frozenset(
        {
            Grant("representative_admin", "tenant:acme", "member:rep"),
            Grant("template_admin", "tenant:acme", "group:sales"),
            Grant("owner", "template:nda", "member:tina"),
            Grant("owner", "document:d1", "group:sales"),
            Grant("owner", "document:d2", "member:rep"),
            Grant("owner", "document:d2", "member:tina"),
            Grant("template_user", "template:nda", "group:sales"),
        }
    ),
)
WRITTEN = """\
tenants:
  acme:
    pack: eformsign
    settings: {require_mfa: false, seats: 25}
    members:
      group:odd: {}
      rep: {name: "Rep O'Neil", email: rep@acme.example, roles: [representative_admin], status: pending}
      tina: {mfa: true, quota: 0}
    groups:
      emea: {}
      sales: {name: Sales, members: [group:emea, member:group:odd, tina]}
    roles:
      Reviewer: {permissions: {document: [comment, view]}}
    resources:
      document:d1: {parents: [template:nda], owner: group:sales, properties: {pages: 3, status: "yes"}}
      document:d2: {}
      template:nda: {owner: tina}
    grants:
      - {role: owner, on: document:d2, to: member:rep}
      - {role: owner, on: document:d2, to: member:tina}
      - {role: template_admin, on: tenant, to: group:sales}
      - {role: template_user, on: template:nda, to: group:sales}
"""


def test_the_written_form_is_sorted_short_and_without_defaults() -> None:
    """A tenant is written in the documented form: short forms where possible, defaults omitted, one line per entry."""
    assert write_facts([ACME]) == WRITTEN


def test_what_a_reference_could_be_taken_for_is_written_out() -> None:
    """A member whose ID looks like a group's reference comes back as that member, not as the group."""
    assert read_facts(WRITTEN, "facts.yaml").tenants["acme"] == ACME


@unhurried
@given(written_facts())
def test_reading_takes_back_what_was_written(facts: TenantFacts) -> None:
    """With any names and values, reading the written form gives equal facts and the same text again."""
    other = TenantFacts(f"{facts.id[:9]}+x")
    text = write_facts([other, facts])
    read = read_facts(text, "facts.yaml").tenants

    assert read == {facts.id: facts, other.id: other}
    assert write_facts([*read.values()]) == text


@unhurried
@given(written_facts(), st.sampled_from([None, 2, "\t"]))
def test_json_says_the_same(facts: TenantFacts, indent: int | str | None) -> None:
    """The same document as JSON, its characters escaped as JSON does, gives the same facts."""
    value = parse_document(write_facts([facts]), "facts.yaml").value
    text = json.dumps(value, indent=indent).replace("\x7f", "\\u007f")

    assert read_facts(text, "facts.json").tenants == {facts.id: facts}


@unhurried
@given(written_facts())
def test_other_yaml_readers_see_the_same_names(facts: TenantFacts) -> None:
    """A stock YAML 1.1 reader finds the same tenants and members: no name turns into a number, a date or a truth."""
    stock = yaml.safe_load(write_facts([facts]))["tenants"][facts.id]

    assert set(stock.get("members", {})) == set(facts.members)
    assert {name: entry.get("name", "") for name, entry in stock.get("groups", {}).items()} == {
        group.id: group.name for group in facts.groups.values()
    }


@unhurried
@given(written_facts())
def test_equal_facts_make_equal_text(facts: TenantFacts) -> None:
    """The order of facts in memory does not change the text."""
    turned = replace(
        facts,
        settings=dict(reversed(facts.settings.items())),
        members=dict(reversed(facts.members.items())),
        resources=dict(reversed(facts.resources.items())),
    )

    assert write_facts([turned]) == write_facts([facts])


def test_a_group_too_long_for_a_line_has_a_line_per_member() -> None:
    """A large group is written with one line per member, so that a diff shows each change, and is read back."""
    group = Group("all", "Everyone", frozenset(f"member:m{number:03}" for number in range(40)))
    text = write_facts([TenantFacts("acme", groups={"all": group})])

    assert text.splitlines()[3:7] == [
        "      all:",
        "        name: Everyone",
        "        members:",
        "          - m000",
    ]
    assert read_facts(text, "facts.yaml").tenants["acme"].groups == {"all": group}


def test_the_longest_name_is_read_back() -> None:
    """A name of 256 characters that must be escaped is longer than YAML looks for a key's colon, and comes back."""
    long = "x" + "\u2028" * 254 + "x"
    everyone = frozenset({f"member:{long}", "member:x"})
    facts = TenantFacts(
        long, members={id_: Member(id_) for id_ in (long, "x")}, groups={long: Group(long, members=everyone)}
    )

    assert read_facts(write_facts([facts]), "facts.yaml").tenants[long] == facts


def test_no_tenants_are_a_document_too() -> None:
    """Exporting an empty store gives a document that reading accepts."""
    assert read_facts(write_facts([]), "facts.yaml").tenants == {}
