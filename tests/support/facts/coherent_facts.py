"""Hypothesis strategies of facts without dangling references."""

from hypothesis import strategies as st

from sidegate.model.facts import CustomRole, Grant, Group, Member, MemberStatus, StoredResource, TenantFacts
from sidegate.model.reference import ref

_values = st.sampled_from([True, False, 0, 1, 1.5, "1", "", [], ["a"]])


@st.composite
def coherent_facts(draw: st.DrawFn, tenant: str = "acme") -> TenantFacts:
    """Draw one tenant of few names, so that two draws have much in common."""

    def subset(*names: str) -> frozenset[str]:
        return draw(st.frozensets(st.sampled_from(names)))

    members = {id_: _member(draw, id_) for id_ in subset("a", "b", "c")}
    group_ids = sorted(subset("g", "h"))
    inside = [*(ref("member", id_) for id_ in members), *(ref("group", id_) for id_ in group_ids)]
    some = st.frozensets(st.sampled_from(inside)) if inside else st.just(frozenset())
    groups = {id_: Group(id_, draw(st.sampled_from(["", "G"])), draw(some)) for id_ in group_ids}
    roles = {name: CustomRole(name, {"document": subset("view", "edit")}) for name in subset("R", "S")}
    resources = {resource.ref: resource for resource in (_resource(draw, id_) for id_ in subset("1", "2"))}
    scopes = [ref("tenant", tenant), *resources, *(ref("group", id_) for id_ in group_ids)]
    grant = st.builds(
        Grant, st.sampled_from(["owner", *roles]), st.sampled_from(scopes), st.sampled_from(inside or [""])
    )
    grants = draw(st.frozensets(grant, max_size=4)) if inside else frozenset[Grant]()
    settings = draw(st.dictionaries(st.sampled_from(["x", "y"]), _values))
    pack = draw(st.sampled_from(["", "paper"]))
    suspended = draw(st.booleans())
    return TenantFacts(tenant, pack, settings, members, groups, roles, resources, grants, suspended=suspended)


def _member(draw: st.DrawFn, id_: str) -> Member:
    return Member(id_, draw(st.sampled_from(MemberStatus)), mfa=draw(st.booleans()), quota=draw(st.none() | st.just(0)))


def _resource(draw: st.DrawFn, id_: str) -> StoredResource:
    parents = draw(st.sampled_from([frozenset[str](), frozenset({"document:1"})]))
    return StoredResource("document", id_, parents, draw(st.dictionaries(st.just("p"), _values)))
