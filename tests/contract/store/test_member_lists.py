"""Lists of members under any conditions, on every database that the store runs on."""

from itertools import product

import pytest

from sidegate.model.facts import Grant, Group, Member, MemberStatus, TenantFacts
from sidegate.model.page import MemberQuery
from support.facts.changes import changes_between

ACTIVE, PENDING, INACTIVE = MemberStatus.ACTIVE, MemberStatus.PENDING, MemberStatus.INACTIVE
ACME = TenantFacts(
    "acme",
    members={
        member.id: member
        for member in (
            Member("%", ACTIVE, name="100%"),
            Member("B", PENDING, name="Uma", email="u@acme.example"),
            Member("a", ACTIVE, name="ÜMIT", phone="+62"),
            Member("b", ACTIVE, email="Straße@acme.example"),
            Member("c1", PENDING, name="ﬁne/İ"),
            Member("z_z", INACTIVE, name="uma", phone="+63"),
            Member("ç", ACTIVE, name="A_"),
        )
    },
    groups={"g": Group("g", members=frozenset({"member:%", "member:B", "member:a", "member:left", "group:b"}))},
    grants=frozenset(
        {
            *(Grant("member", "tenant:acme", f"member:{id_}") for id_ in ("B", "a", "c1", "left", "z_z")),
            Grant("member", "tenant:acme", "group:b"),
            Grant("member", "template:acme", "member:b"),
            Grant("member", "tenant:globex", "member:b"),
            Grant("owner", "tenant:acme", "member:%"),
        }
    ),
)
STATES = (None, ACTIVE, PENDING)
TEXTS = ("", "uma", "ÜmiT", "STRASSE", "ß", "%", "_", "/", "FI", "a", "Ç", "+6", "i̇")
IDS = ((), ("a", "c1", "eve"))


@pytest.mark.parametrize(("role", "group"), [("", ""), ("member", ""), ("", "g"), ("member", "g"), ("owner", "none")])
async def test_a_list_is_what_its_conditions_mean(store, role, group):
    """EL-11: page after page, by ID, a list has exactly the members for which every condition holds."""
    await store.write({"acme": changes_between(None, ACME)}, expected={}, actor="platform")
    for status, text, ids in product(STATES, TEXTS, IDS):
        query = MemberQuery(status=status, role=role, group=group, text=text, ids=ids)
        listed, after = [], ""
        while page := (await store.members("acme", query, after=after, limit=3))[0]:
            listed += [record.member.id for record in page]
            after = listed[-1]
        assert listed == sorted(member.id for member in ACME.members.values() if meant(query, member)), query


def meant(query, member):
    who = f"member:{member.id}"
    texts = (member.id, member.name, member.email, member.phone)
    return (
        query.status in {None, member.status}
        and (not query.role or Grant(query.role, "tenant:acme", who) in ACME.grants)
        and (not query.group or (query.group == "g" and who in ACME.groups["g"].members))
        and any(query.text.casefold() in text.casefold() for text in texts)
        and (not query.ids or member.id in query.ids)
    )
