"""Hypothesis strategies of facts that a document can say, with the names that YAML is most likely to misread."""

import re

from hypothesis import strategies as st

from sidegate.model.facts import CustomRole, Grant, Group, Member, MemberStatus, StoredResource, TenantFacts
from sidegate.model.reference import ref

_ID = re.compile(r"[^\s\ufeff*](.{0,254}[^\s\ufeff*])?", re.DOTALL)
_CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"], exclude_characters="*")
_NASTY = [
    "yes",
    "No",
    "NULL",
    "~",
    "true",
    "1",
    "-1",
    "1e5",
    "1_0",
    "0x1f",
    ".5",
    ".inf",
    "2024-01-01",
    "12:30",
    "<<",
    "",
    "=",
    "#",
    "#x",
    "a#b",
    "-",
    "-x",
    "?",
    "!x",
    "&x",
    "%x",
    "@x",
    "`x",
    "'",
    '"',
    "\\",
    "{",
    "[a]",
    ",",
    "a,b",
    "a:b",
    "a:",
    ":a",
    "member:uma",
    "group:sales",
    "tenant",
    "tenant:acme",
    "owner",
    "Ünal",
    "株",
    "😀",
    "\xa0x",
]
_nasty = [name for name in (*_NASTY, "a: b", "a #b", "x - y", "\\" * 256) if _ID.fullmatch(name)]
_ENDS = re.compile(r"^[\s\ufeff]+|[\s\ufeff]+$")
ids = st.sampled_from(_nasty) | st.text(_CHARACTERS, max_size=5).map(lambda text: _ENDS.sub("", text) or "_")
role_names = ids.map(lambda name: _ENDS.sub("", re.sub("[:,]", "_", name[:64])))
labels = st.text(_CHARACTERS, max_size=5) | st.sampled_from(_nasty)
words = st.sampled_from(["on", "null", "true", "y", "a", "b_2", "document", "e1"])
references = st.builds(ref, words, ids)
holders = st.builds(ref, st.sampled_from(["member", "group"]), ids)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=5) | st.sampled_from(_nasty)
values = (
    st.booleans()
    | st.integers(-(10**18) + 1, 10**18 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.lists(texts, max_size=3)
)
properties = st.dictionaries(words, values, max_size=3)
emails = st.sampled_from(["", "uma@acme.example", "'@1", "#@e", "1@1.5", "&a@b"])


def _members() -> st.SearchStrategy[dict[str, Member]]:
    quota = st.none() | st.integers(0, 2**53 - 1)
    status = st.sampled_from(MemberStatus)
    member = st.builds(Member, ids, status, name=labels, email=emails, mfa=st.booleans(), quota=quota)
    return st.lists(member, max_size=3).map(lambda items: {item.id: item for item in items})


def _groups() -> st.SearchStrategy[dict[str, Group]]:
    group = st.builds(Group, ids, labels, st.frozensets(holders, max_size=3))
    return st.lists(group, max_size=3).map(lambda items: {item.id: item for item in items})


def _roles() -> st.SearchStrategy[dict[str, CustomRole]]:
    permissions = st.dictionaries(words, st.frozensets(words, max_size=3), max_size=3)
    role = st.builds(CustomRole, role_names, permissions)
    return st.lists(role, max_size=3).map(lambda items: {item.name: item for item in items})


def _resources() -> st.SearchStrategy[dict[str, StoredResource]]:
    resource = st.builds(StoredResource, words, ids, st.frozensets(references, max_size=3), properties)
    return st.lists(resource, max_size=3).map(lambda items: {item.ref: item for item in items})


@st.composite
def written_facts(draw: st.DrawFn) -> TenantFacts:
    """Draw one tenant that a document can say, whether or not a pack would accept it."""
    tenant = draw(ids)
    members, resources = draw(_members()), draw(_resources())
    scopes = st.sampled_from([ref("tenant", tenant), *resources, *(ref("group", "g"),)]) | references
    someone = st.sampled_from([*(ref("member", id_) for id_ in members), ref("group", "g")]) | holders
    grants = draw(st.frozensets(st.builds(Grant, role_names | st.just("owner"), scopes, someone), max_size=4))
    pack = draw(st.sampled_from(["", "standard", "no", "e1"]))
    settings, groups, roles = draw(properties), draw(_groups()), draw(_roles())
    suspended = draw(st.booleans())
    return TenantFacts(tenant, pack, settings, members, groups, roles, resources, grants, suspended=suspended)
