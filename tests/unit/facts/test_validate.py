"""What a pack refuses in a facts document: each error has its file, line, key, and what is expected."""

import pytest

from sidegate.facts.read import read_facts
from sidegate.facts.validate import check_facts, check_handover, vacancies
from sidegate.model.facts import Grant, Member, TenantFacts
from support.facts.faults import HEAD, refused, refused_below_head
from support.facts.pack import facts_schema

FAULTLESS = """
tenants:
  acme:
    pack: paper
    settings: {require_mfa: true, seats: 3}
    members:
      rep: {name: Rep, email: rep@acme.example, roles: [chief, admin, Reviewer], mfa: true, quota: 3}
      uma: {status: pending, roles: [deputy]}
      ugo:
    groups:
      sales: {name: Sales, members: [uma, group:emea]}
      emea: {members: [ugo]}
    roles:
      Reviewer: {permissions: {document: [view, edit], template: [clone]}}
    resources:
      template:nda: {owner: group:sales}
      folder:top:
      folder:sub: {parents: [folder:top]}
      document:d1:
        owner: uma
        parents: [template:nda, workspace:uma, group:sales, folder:sub]
        properties: {status: draft, pages: 3, share: 1, draft: false, tags: [a, b]}
    grants:
      - {role: template_user, on: template:nda, to: group:emea}
      - {role: steward, on: group:sales, to: member:uma}
      - {role: steward, on: role:Reviewer, to: member:uma}
      - {role: steward, on: role:admin, to: member:uma}
      - {role: steward, on: workspace:rep, to: group:sales}
      - {role: admin, on: tenant, to: group:sales}
      - {role: Reviewer, on: tenant:acme, to: group:sales}
"""


def test_faultless_facts_are_accepted() -> None:
    """A document that uses each part of the form, as the pack declares it, has no fault and no warning."""
    facts = read_facts(FAULTLESS, "facts.yaml").tenants["acme"]

    assert refused(FAULTLESS) == []
    assert vacancies(facts, facts_schema()) == ()


@pytest.mark.parametrize(
    ("sections", "fault"),
    [
        (
            "grants: [{role: chief, on: tenant, to: member:uma}]",
            "6: grants.0.to: role `chief` on `tenant` is held by `member:rep` already: expected exactly one holder",
        ),
        (
            "resources:\n  template:nda: {owner: rep}\ngrants: [{role: owner, on: template:nda, to: member:uma}]",
            (
                "8: grants.0.to: role `owner` on `template:nda` is held by `member:rep` already: "
                "expected exactly one holder"
            ),
        ),
        (
            "grants:\n- {role: deputy, on: tenant, to: member:uma}\n- {role: deputy, on: tenant, to: member:rep}",
            "8: grants.1.to: role `deputy` on `tenant` is held by `member:uma` already: expected at most one holder",
        ),
        (
            (
                "groups: {sales: {}, emea: {}}\nresources:\n  template:nda: {owner: group:sales}\n"
                "grants: [{role: owner, on: template:nda, to: group:emea}]"
            ),
            (
                "9: grants.0.to: role `owner` on `template:nda` is held by `group:sales` already: "
                "expected exactly one holder"
            ),
        ),
    ],
)
def test_a_second_holder_of_a_role_that_one_may_hold_is_refused(sections: str, fault: str) -> None:
    """The later one in the document is reported, whether it is at the tenant or at a resource."""
    assert refused_below_head(sections) == [fault]


def test_a_group_cannot_hold_what_one_member_must_hold() -> None:
    """A tenant role of exactly one member is refused to a group, even as the first holder."""
    text = "tenants:\n  acme:\n    groups: {sales: {}}\n    grants:\n    - {role: chief, on: tenant, to: group:sales}\n"

    assert refused(text) == [
        "facts.yaml:5: tenants.acme.grants.0.to: role `chief` is held by exactly one member: `group:sales` is a group"
    ]


def test_a_group_can_hold_what_one_may_hold() -> None:
    """A tenant role of at most one holder can be a group's."""
    assert refused_below_head("groups: {sales: {}}\ngrants: [{role: deputy, on: tenant, to: group:sales}]") == []


def test_the_same_grant_twice_is_no_second_holder() -> None:
    """Saying the same thing at a member and among the grants is one grant."""
    assert refused_below_head("grants: [{role: chief, on: tenant, to: member:rep}]") == []


@pytest.mark.parametrize(
    ("grant", "fault"),
    [
        (
            "{role: template_usr, on: tenant, to: member:uma}",
            "role: unknown role `template_usr` of pack `paper`: did you mean `template_user`?",
        ),
        (
            "{role: xyz, on: tenant, to: member:uma}",
            (
                "role: unknown role `xyz` of pack `paper`: expected one of `admin`, `chief`, `deputy`, `owner`, "
                "`steward`, `template_user`"
            ),
        ),
        (
            "{role: group_member, on: group:sales, to: member:uma}",
            (
                "role: role `group_member` can't be granted, the members of a group hold it: expected one of "
                "`admin`, `chief`, `deputy`, `owner`, `steward`, `template_user`"
            ),
        ),
        (
            "{role: self, on: workspace:uma, to: member:uma}",
            (
                "role: role `self` can't be granted, members hold it on their own: expected one of "
                "`admin`, `chief`, `deputy`, `owner`, `steward`, `template_user`"
            ),
        ),
        (
            "{role: template_user, on: tenant, to: member:uma}",
            "on: role `template_user` can't be held on `tenant`: expected `template:…`",
        ),
        (
            "{role: admin, on: template:nda, to: member:uma}",
            "on: role `admin` can't be held on `template:nda`: expected `tenant`",
        ),
        (
            "{role: owner, on: folder:top, to: member:uma}",
            "on: role `owner` can't be held on `folder:top`: expected `document:…` or `template:…`",
        ),
        ("{role: admin, on: tenant:other, to: member:uma}", "on: `tenant:other` is another tenant: expected `tenant`"),
        (
            "{role: owner, on: template:nda, to: member:uma}",
            "on: `template:nda` is not there: add `template:nda` under `resources`",
        ),
        ("{role: steward, on: group:sale, to: member:uma}", "on: `group:sale` is not there: did you mean `sales`?"),
        ("{role: steward, on: role:Auditor, to: member:uma}", "on: `role:Auditor` is not there: add `Auditor` under"),
        ("{role: steward, on: workspace:una, to: member:uma}", "on: `workspace:una` is not there: did you mean `uma`?"),
        ("{role: admin, on: tenant, to: member:una}", "to: `member:una` is not there: did you mean `uma`?"),
        ("{role: admin, on: tenant, to: group:it}", "to: `group:it` is not there: add `it` under `groups`"),
    ],
)
def test_a_grant_that_does_not_fit_is_refused(grant: str, fault: str) -> None:
    """Role, scope and holder of a grant must exist and fit each other by the pack."""
    faults = refused_below_head(f"groups: {{sales: {{}}}}\ngrants:\n- {grant}")

    assert len(faults) == 1
    assert faults[0].startswith(f"8: grants.0.{fault}")


def test_a_custom_role_is_held_on_the_tenant_only() -> None:
    """A custom role can't be granted on a resource."""
    sections = """\
        roles: {Reviewer: {permissions: {document: [view]}}}
        resources: {"document:d1": {}}
        grants:
          - {role: Reviewer, on: document:d1, to: member:uma}
        """

    assert refused_below_head(sections) == [
        "9: grants.0.on: role `Reviewer` can't be held on `document:d1`: expected `tenant`"
    ]


def test_an_error_in_a_short_form_names_its_own_path() -> None:
    """An error in a member's role or a resource's owner points there, not at a grant that is not in the document."""
    text = """\
tenants:
  acme:
    members:
      uma:
        roles:
          - admin
          - admn
    resources:
      template:nda:
        owner: una
      folder:top: {owner: uma}
"""

    assert refused(text) == [
        "facts.yaml:7: tenants.acme.members.uma.roles.1: unknown role `admn` of pack `paper`: did you mean `admin`?",
        "facts.yaml:10: tenants.acme.resources.template:nda.owner: `member:una` is not there: did you mean `uma`?",
        (
            "facts.yaml:11: tenants.acme.resources.folder:top.owner: role `owner` can't be held on `folder:top`: "
            "expected `document:…` or `template:…`"
        ),
    ]


def test_what_is_said_twice_is_one_fault() -> None:
    """A wrong grant written both at a member and among the grants is reported once, at its first path."""
    text = HEAD.replace("uma: {}", "uma: {roles: [x]}") + "    grants: [{role: x, on: tenant, to: member:uma}]\n"

    assert [fault.split(": ")[:2] for fault in refused(text)] == [["facts.yaml:5", "tenants.acme.members.uma.roles.0"]]


def test_a_second_role_is_refused_where_a_member_holds_one() -> None:
    """In a pack of one role a member (MS-01), a second one is refused, and so is one that a group would add."""
    text = """\
tenants:
  acme:
    members:
      uma: {roles: [chief]}
      ugo: {roles: [admin]}
    groups:
      sales: {members: [uma]}
    grants:
      - {role: deputy, on: tenant, to: member:uma}
      - {role: admin, on: tenant, to: group:sales}
      - {role: steward, on: group:sales, to: member:ugo}
"""

    assert refused(text, one_role_per_member=True) == [
        (
            "facts.yaml:9: tenants.acme.grants.0.role: `member:uma` holds role `chief` already, not `deputy` too: "
            "expected one role a member"
        ),
        (
            "facts.yaml:10: tenants.acme.grants.1.to: in pack `paper` a member holds one role on the tenant: "
            "`group:sales` is a group"
        ),
    ]
    assert refused(text) == []


@pytest.mark.parametrize(
    ("groups", "faults"),
    [
        ("sales: {members: [una]}", ["7: groups.sales.members.0: `member:una` is not there: did you mean `uma`?"]),
        (
            "sales: {members: [uma, group:emea]}",
            ["7: groups.sales.members.1: `group:emea` is not there: add `emea` under `groups`"],
        ),
        (
            "sales: {members: [uma, group:sales]}",
            ["7: groups.sales.members.1: a cycle of groups, `sales` > `sales`: expected no group inside itself"],
        ),
        (
            "a: {members: [group:b]}\n  b: {members: [group:c]}\n  c: {members: [uma, group:a]}",
            ["9: groups.c.members.1: a cycle of groups, `a` > `b` > `c` > `a`: expected no group inside itself"],
        ),
        (
            "a: {members: [group:b]}\n  b: {members: [group:a]}\n  c: {members: [group:c]}",
            [
                "8: groups.b.members.0: a cycle of groups, `a` > `b` > `a`: expected no group inside itself",
                "9: groups.c.members.0: a cycle of groups, `c` > `c`: expected no group inside itself",
            ],
        ),
        (
            "a: {members: [group:b]}\n  b: {members: [group:b]}",
            ["8: groups.b.members.0: a cycle of groups, `b` > `b`: expected no group inside itself"],
        ),
        ("a: {members: [group:b, group:c]}\n  b: {members: [group:c]}\n  c: {members: [uma]}", []),
    ],
)
def test_groups_hold_what_is_there_and_never_themselves(groups: str, faults: list[str]) -> None:
    """Missing members are refused, and each chain that leads back; two ways to the same group are no cycle."""
    assert refused_below_head(f"groups:\n  {groups}\n") == faults


def test_a_long_chain_of_groups_is_no_problem() -> None:
    """A cycle of ten thousand groups does not overflow the stack, and the error names a few of them."""
    groups = "\n".join(f"      g{number}: {{members: [group:g{number + 1}]}}" for number in range(10_000))
    text = f"tenants:\n  acme:\n    groups:\n{groups}\n      g10000: {{members: [group:g0]}}\n"

    assert refused(text) == [
        (
            "facts.yaml:10004: tenants.acme.groups.g10000.members.0: a cycle of groups, "
            "`g0` > `g1` > `g2` > `g3` > `g4` > `g5` > … > `g9996` > `g9997` > `g9998` > `g9999` > `g10000` > `g0`: "
            "expected no group inside itself"
        )
    ]


@pytest.mark.parametrize(
    ("role", "faults"),
    [
        ("admin: {}", ["admin: `admin` is a built-in role of pack `paper`: expected a name of the tenant's own"]),
        (
            "R: {permissions: {documents: [view]}}",
            ["R.permissions.documents: unknown resource type `documents`: did you mean `document`?"],
        ),
        (
            "R: {permissions: {member: [invite]}}",
            ["R.permissions.member: a custom role can't include `member`: expected one of `document`, `template`"],
        ),
        (
            "R: {permissions: {document: [view, vew, print]}}",
            [
                "R.permissions.document.1: unknown action `vew` of `document`: did you mean `view`?",
                "R.permissions.document.2: unknown action `print` of `document`: expected one of `edit`, `view`",
            ],
        ),
    ],
)
def test_a_custom_role_that_does_not_fit_is_refused(role: str, faults: list[str]) -> None:
    """Name, types and actions of a custom role are those that the pack leaves to tenants (EL-01, EL-03)."""
    assert refused_below_head(f"roles:\n  {role}") == [f"7: roles.{fault}" for fault in faults]


def test_custom_roles_are_refused_where_the_pack_has_none() -> None:
    """A pack without custom roles refuses every one."""
    assert refused_below_head("roles:\n  R: {}", custom_roles=False) == [
        (
            "7: roles.R: pack `paper` allows no custom roles: use its built-in roles, `admin`, `chief`, `deputy`, "
            "`group_member`, `owner`, `self`, `steward`, `template_user`"
        )
    ]


def test_an_email_of_two_members_is_refused() -> None:
    """An e-mail that another member has is refused, whatever the case of its letters; none at all is no e-mail."""
    text = HEAD + "      ugo: {}\n      ida: {email: rep@ACME.example}\n"

    assert refused(text) == [
        (
            "facts.yaml:7: tenants.acme.members.ida.email: `rep@ACME.example` is the e-mail of `rep` too: "
            "expected one that no other member has"
        )
    ]


def test_two_tenants_may_share_names_and_emails() -> None:
    """Tenants are apart: the same member, e-mail and role of exactly one in each is no fault."""
    assert refused(HEAD + HEAD.removeprefix("tenants:\n").replace("acme:", "umbra:", 1)) == []


def test_all_faults_are_reported_together_in_the_order_of_the_document() -> None:
    """Faults of every kind come together, sorted by line."""
    sections = """\
        settings: {seat: 1}
        groups: {sales: {members: [una]}}
        roles: {admin: {}}
        resources: {"document:d1": {parents: [template:nda]}}
        grants:
          - {role: chief, on: tenant, to: member:una}
        """

    assert [fault.split(": ")[:2] for fault in refused_below_head(sections)] == [
        ["6", "settings.seat"],
        ["7", "groups.sales.members.0"],
        ["8", "roles.admin"],
        ["9", "resources.document:d1.parents.0"],
        ["11", "grants.0.to"],
        ["11", "grants.0.to"],
    ]


def test_a_role_that_nobody_holds_yet_is_a_warning() -> None:
    """A new tenant or document without the one holder that it should have is accepted with a warning."""
    text = "tenants: {acme: {resources: {'document:d1': , 'document:d2': , 'template:t': }}}"
    document = read_facts(text, "facts.yaml")
    facts = document.tenants["acme"]

    assert check_facts(facts, document, facts_schema()) == []
    assert vacancies(facts, facts_schema()) == (
        "nobody holds role `chief` on the tenant yet, which exactly one member should hold",
        "nobody holds role `owner` on `document:d1` and 1 more of type `document` yet, which exactly one should hold",
        "nobody holds role `owner` on `template:t` yet, which exactly one should hold",
    )


@pytest.mark.parametrize(
    ("holder", "faults"),
    [
        (
            "member:rep",
            [
                (
                    "facts.yaml:2: tenants.acme: nobody would hold role `chief` of `member:rep`: "
                    "expected exactly one member that holds it"
                )
            ],
        ),
        (None, []),
    ],
)
def test_the_last_holder_cannot_be_taken_away(holder: str | None, faults: list[str]) -> None:
    """Where somebody held a role that exactly one member must hold, somebody must hold it after the change."""
    grants = frozenset({Grant("chief", "tenant:acme", holder)} if holder else ())
    old = TenantFacts("acme", members={"rep": Member("rep")}, grants=grants)
    document = read_facts("tenants:\n  acme: {members: {rep: , uma: }}", "facts.yaml")
    given = check_handover(old, document.tenants["acme"], document=document, schema=facts_schema())

    assert [str(fault) for fault in given] == faults


def test_the_position_can_be_handed_over() -> None:
    """Another member may hold it after the change."""
    old = TenantFacts("acme", grants=frozenset({Grant("chief", "tenant:acme", "member:rep")}))
    document = read_facts("tenants: {acme: {members: {uma: {roles: [chief]}}}}", "facts.yaml")

    assert check_handover(old, document.tenants["acme"], document=document, schema=facts_schema()) == []
