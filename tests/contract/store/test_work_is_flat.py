"""What the databases do for one step or one page, in a small company and in a large one among many others.

Times are not compared but what is read: operations of SQLite, rows and pages of PostgreSQL. They are the same each run.
"""

import re
from dataclasses import replace
from functools import partial

from sidegate.decision.freshness import Freshness
from sidegate.decision.search.search import ListQuery, Search
from sidegate.engine import ENGINES
from sidegate.model.change import Change, ChangeQuery, EntryKind, Receipt
from sidegate.model.entry import member_payload
from sidegate.model.facts import Grant, Member, MemberStatus
from sidegate.model.page import GrantQuery, MemberQuery, Relation, ResourceQuery, TenantQuery
from sidegate.model.question import Request, Resource, Subject
from sidegate.policy.pack.registry import PackRegistry, bundled_packs
from sidegate.replica.follower import Follower
from sidegate.replica.snapshots import Snapshots
from support.facts.filled_store import analyze, company, fill, member_id, tenant_id
from support.facts.revisions import loaded, numbered
from support.facts.work import done_for

SMALL, LARGE = tenant_id(7), tenant_id(60)
WHO, GROUP, DOCUMENT = member_id(5), "g1000003", "document:d1000003"
PERSON = f"member:{WHO}"
LISTS = {
    "all": MemberQuery(),
    "invited": MemberQuery(status=MemberStatus.PENDING),
    "active": MemberQuery(status=MemberStatus.ACTIVE),
    "admins": MemberQuery(role="admin"),
    "members": MemberQuery(role="member"),
    "nobody": MemberQuery(role="nobody"),
    "group": MemberQuery(group=GROUP),
    "active in a role": MemberQuery(role="member", status=MemberStatus.ACTIVE),
    "text of many": MemberQuery(text="person"),
    "named": MemberQuery(ids=(member_id(1), WHO, "nobody")),
}
RELATED = {
    Relation.GRANTS_OF: (PERSON, f"group:{GROUP}"),
    Relation.GRANTS_ON: (DOCUMENT, "document:d1000004", "template:none"),
    Relation.GRANTS_AS: ("owner",),
    Relation.GROUPS_OF: (PERSON, f"group:{GROUP}"),
    Relation.INSIDE: (GROUP,),
    Relation.CHILDREN: ("template:t", "group:none"),
    Relation.EMAIL: ("nobody@acme.example", f"{WHO}@{LARGE}.example"),
    Relation.PHONE: ("+6281", "+6282"),
}
ENTRIES = (
    (EntryKind.TENANT, ()),
    (EntryKind.MEMBER, (WHO,)),
    (EntryKind.MEMBER, ("nobody",)),
    (EntryKind.GROUP, (GROUP,)),
    (EntryKind.GROUP_MEMBER, (GROUP, PERSON)),
    (EntryKind.ROLE, ("Reviewer",)),
    (EntryKind.RESOURCE, (DOCUMENT,)),
    (EntryKind.RESOURCE, ("template:t",)),
    (EntryKind.GRANT, ("owner", DOCUMENT, PERSON)),
    (EntryKind.GRANT, ("viewer", "document:d1000004", f"group:{GROUP}")),
    (EntryKind.INVITATION, (WHO,)),
)
RESOURCES = {
    "all": ResourceQuery(),
    "documents": ResourceQuery(type="document"),
    "owned": ResourceQuery(owner=PERSON),
    "in a template": ResourceQuery(parent="template:none"),
}
MANY = [f"document:d{number + 1_000_000}" for number in range(80)]
HISTORIES = {
    "whole": ChangeQuery(),
    "kind": ChangeQuery(entity=EntryKind.MEMBER),
    "actor": ChangeQuery(actor="platform"),
    "member": ChangeQuery((PERSON,)),
    "member on a document": ChangeQuery((PERSON, DOCUMENT), oldest_first=True),
}


def calls(store):
    """Return what is asked of the store in one step or for one page, of any tenant."""
    return {
        **{f"list {name}": partial(store.members, query=query, after="", limit=6) for name, query in LISTS.items()},
        **{
            f"list {name} further on": partial(store.members, query=query, after=member_id(70), limit=6)
            for name, query in LISTS.items()
        },
        **{str(relation): partial(_related, store, relation, values) for relation, values in RELATED.items()},
        "entries": partial(store.entries, keys=ENTRIES),
        "groups": partial(store.page, entity=EntryKind.GROUP, after=GROUP, limit=6),
        "roles": partial(store.page, entity=EntryKind.ROLE, after="", limit=6),
        "seats": store.seats,
        "tenants": partial(_tenants, store),
        **{
            f"resources {name} after {after}": partial(store.resource_page, query=query, after=after, limit=6)
            for name, query in RESOURCES.items()
            for after in ("", DOCUMENT)
        },
        # What is right for few is not for many: a statement with many references has a plan of its own.
        "resources, a large page": partial(store.resource_page, query=ResourceQuery("document"), after="", limit=80),
        "resources, many by name": partial(store.entries, keys=[(EntryKind.RESOURCE, (one,)) for one in MANY]),
        "grants on many": partial(_related, store, Relation.GRANTS_ON, MANY),
        "grants on the tenant": partial(_grants, store, None),
        "grants on the tenant further on": partial(_grants, store, member_id(70)),
        "grants of a member": partial(_grants_by, store, Relation.GRANTS_OF, PERSON),
        "grants of a role": partial(_grants_by, store, Relation.GRANTS_AS, "member"),
        "in a group": partial(store.group_page, group=GROUP, after=PERSON, limit=6),
        "a document": partial(store.load_resource, reference=DOCUMENT),
        "many documents": partial(store.load_resources, references=MANY),
        "receipt": partial(store.receipt, request_id="r1"),
        **{f"history {name}": partial(store.history, query=one, after=0, limit=6) for name, one in HISTORIES.items()},
        "newest revision": store.revision_at,
        "write": partial(_write, store),
    }


async def test_no_step_reads_more_in_a_larger_company(store):
    """In a company thirty times as large as the others each statement of a step or a page does no more."""
    await fill(store, 0, 60)
    await fill(store, 60, 61, members=3_000)
    if store._readers.dialect.name == "postgresql":
        await analyze(store)
    scans, grown = {}, {}
    for name, call in calls(store).items():
        small, large = [await done_for(store, partial(call, tenant)) for tenant in (SMALL, LARGE)]
        scans |= {done.statement: done.plan for done in large if _scans(done.plan)}
        # The slack is for pages that only the large one fills; a scan of it is three thousand rows at the least.
        if sum(done.work for done in large) > 2 * sum(done.work for done in small) + 300:
            grown[name] = [(done.work, done.statement, done.plan) for done in large if done.work > 100]
    assert scans == {}
    assert grown == {}


PAGES = {
    "resources of few grants": ListQuery(Request("", Subject(WHO), "view", Resource("document", "")), "", 50),
    "resources further on": ListQuery(Request("", Subject(WHO), "view", Resource("document", "")), "d1000004", 50),
    "resources of none": ListQuery(Request("", Subject(WHO), "clone", Resource("template", "")), "", 50),
    "subjects of few holders": ListQuery(Request("", Subject(""), "view", Resource("document", "d1000003")), "", 50),
    "subjects further on": ListQuery(Request("", Subject(""), "view", Resource("document", "d1000003")), WHO, 50),
    "everything of a type": ListQuery(Request("", Subject(member_id(0)), "view", Resource("document", "")), "", 5),
    "everything further on": ListQuery(
        Request("", Subject(member_id(0)), "view", Resource("document", "")), "d1000004", 5
    ),
}


async def test_no_page_of_a_list_reads_more_in_a_larger_company(store):
    """What a member of few grants may do, and who may what on what few hold, costs the same in any company."""
    await fill(store, 0, 60)
    await fill(store, 60, 61, members=3_000)
    if store._readers.dialect.name == "postgresql":
        await analyze(store)
    search = await _searching(store)
    counts, grown = {}, {}
    for name, asked in PAGES.items():
        read = search.subjects if name.startswith("subjects") else search.resources
        pages = [partial(read, replace(asked, request=replace(asked.request, tenant=one))) for one in (SMALL, LARGE)]
        # Made once before, so that the tenant is in memory, as it is but for its first question.
        counts[name] = [len((await page()).found) for page in pages]
        small, large = [await done_for(store, page) for page in pages]
        if sum(done.work for done in large) > 2 * sum(done.work for done in small) + 300 or len(large) > len(small):
            grown[name] = [(done.work, done.statement, done.plan) for done in large if done.work > 100]
    assert grown == {}
    assert [*counts.values()] == [[number, number] for number in (10, 5, 0, 8, 4, 5, 5)]


async def test_companies_made_by_sql_are_those_of_the_store(store):
    """The companies that fill a database are what the store would have written, with its seats and its history."""
    await fill(store, 0, 3)

    assert await loaded(store, "t1000002") == (company("t1000002", 100), 1)
    assert await numbered(store.seats("t1000002")) == (98, 1)
    found, _ = await store.members("t1000002", MemberQuery(text="PERSON 99"), after="", limit=9)
    assert [record.member.id for record in found] == [member_id(99)]
    recorded = await store.history("t1000002", ChangeQuery((f"member:{member_id(99)}",)), after=0, limit=9)
    assert [change.change for change in recorded] == [
        Change(
            EntryKind.MEMBER, (member_id(99),), None, member_payload(company("t1000002", 100).members[member_id(99)])
        )
    ]
    assert (await store.head(), len(await store.changes_after(0, limit=1_000))) == (303, 303)
    await store.write({"t1000002": [_renamed(99)]}, expected={"t1000002": 1}, actor="platform")


async def _searching(store):
    """Return lists over a store that nobody else writes to."""
    packs = PackRegistry(ENGINES["indexed"], bundled_packs(), "standard")
    snapshots = Snapshots(store, packs, max_tenants=9, max_resources=9)
    follower = Follower(store, snapshots, poll_interval=60)
    await follower.catch_up()
    freshness = Freshness(follower, snapshots, max_staleness=float("inf"))
    return Search(store, snapshots, freshness, catch_up=follower.catch_up)


def _scans(plan):
    return re.search(r"Seq Scan|^SCAN (?!CONSTANT|\d+ CONSTANT|wanted|\(subquery)", plan, re.MULTILINE)


async def _grants(store, member, tenant):
    scope = f"tenant:{tenant}"
    after = None if member is None else Grant("member", scope, f"member:{member}")
    return await store.grant_page(tenant, GrantQuery(Relation.GRANTS_ON, scope), after=after, limit=6)


async def _grants_by(store, relation, value, tenant):
    after = Grant("member", "document:d", f"member:{member_id(3)}")
    return await store.grant_page(tenant, GrantQuery(relation, value), after=after, limit=6)


async def _related(store, relation, values, tenant):
    return await store.related(tenant, relation, values)


async def _tenants(store, tenant):
    return await store.tenant_page(TenantQuery(suspended=False), after=tenant[:-1], limit=6)


async def _write(store, tenant):
    _, current = await store.seats(tenant)
    revision = current.number
    fresh = f"member:{member_id(revision + 50)}"
    changes = [
        _renamed(revision),
        Change(EntryKind.MEMBER, ("nobody",), {}, None),
        Change(EntryKind.GRANT, ("signer", DOCUMENT, fresh), None, {}),
        Change(EntryKind.GRANT, ("viewer", "document:d1000004", f"group:{GROUP}"), {}, None),
        Change(EntryKind.GROUP_MEMBER, (GROUP, PERSON), None, {}),
        Change(EntryKind.RESOURCE, (DOCUMENT,), {}, {"parents": ["template:t"], "properties": {}}),
        Change(EntryKind.TENANT, (), {}, {"pack": "", "settings": {"seats": revision}}),
    ]
    receipt = Receipt(f"r{revision}", b"digest", b"response")
    await store.write({tenant: changes}, expected={tenant: revision}, actor="platform", receipt=receipt)


def _renamed(number):
    id_ = member_id(number)
    return Change(EntryKind.MEMBER, (id_,), {}, member_payload(Member(id_, name="Renamed")))
