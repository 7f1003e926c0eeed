"""Hypothesis strategies of arbitrary facts: any values that the types allow, not only what a pack would accept."""

from hypothesis import strategies as st

from sidegate.model.facts import CustomRole, Grant, Group, Member, MemberStatus, StoredResource, TenantFacts
from sidegate.model.properties import Json
from sidegate.model.reference import ref

_CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"])
ids = st.text(_CHARACTERS, min_size=1, max_size=12)
texts = st.text(_CHARACTERS, max_size=12)
types = st.sampled_from(["member", "group", "template", "document"])
references = st.builds(ref, types, ids)
_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(_CHARACTERS, max_size=6)
)
json_values: st.SearchStrategy[Json] = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
properties = st.dictionaries(texts, json_values, max_size=3)


def _members() -> st.SearchStrategy[dict[str, Member]]:
    member = st.builds(
        Member,
        ids,
        st.sampled_from(MemberStatus),
        name=texts,
        email=texts,
        mfa=st.booleans(),
        quota=st.none() | st.integers(0, 2**63 - 1),
    )
    return st.lists(member, max_size=4).map(lambda items: {item.id: item for item in items})


def _groups() -> st.SearchStrategy[dict[str, Group]]:
    group = st.builds(Group, ids, texts, st.frozensets(references, max_size=3))
    return st.lists(group, max_size=3).map(lambda items: {item.id: item for item in items})


def _roles() -> st.SearchStrategy[dict[str, CustomRole]]:
    permissions = st.dictionaries(ids, st.frozensets(texts, max_size=3), max_size=3)
    return st.lists(st.builds(CustomRole, ids, permissions), max_size=3).map(lambda items: {i.name: i for i in items})


def _resources() -> st.SearchStrategy[dict[str, StoredResource]]:
    resource = st.builds(StoredResource, types, ids, st.frozensets(references, max_size=3), properties)
    return st.lists(resource, max_size=4).map(lambda items: {item.ref: item for item in items})


def tenant_facts(tenant: str = "acme") -> st.SearchStrategy[TenantFacts]:
    """Return a strategy of one tenant's facts."""
    return st.builds(
        TenantFacts,
        st.just(tenant),
        texts,
        properties,
        _members(),
        _groups(),
        _roles(),
        _resources(),
        st.frozensets(st.builds(Grant, ids, references, references), max_size=5),
        suspended=st.booleans(),
    )
