"""What callers may do, and for whom."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from sidegate.model.callers.caller import ALL_TENANTS, NOBODY, TRUSTED, ActorKind, Caller, Right, TenantSet

ACME = Caller("orders", MappingProxyType({Right.CHECK: TenantSet(frozenset({"acme"})), Right.METRICS: ALL_TENANTS}))


def test_a_right_is_for_the_named_tenants():
    """The first tenant without the right is named; a right that was not given has no tenant at all."""
    assert ACME.refused(Right.CHECK, ["acme"]) is None
    assert ACME.refused(Right.CHECK, ["acme", "globex", "initech"]) == "globex"
    assert ACME.refused(Right.LIST, ["acme"]) == "acme"
    assert not ACME.has_for_all(Right.CHECK)
    assert ACME.has_for_all(Right.METRICS)


def test_a_caller_that_is_limited_to_a_tenant_gains_none():
    """A token that names a tenant takes rights away; where the caller has none for it, none is left."""
    limited = ACME.limited_to("acme")
    assert limited.refused(Right.METRICS, ["globex"]) == "globex"
    assert not limited.has_for_all(Right.METRICS)
    assert ACME.limited_to("globex").refused(Right.CHECK, ["globex"]) == "globex"


@pytest.mark.parametrize(
    ("kinds", "member", "allowed"),
    [
        ({ActorKind.PLATFORM}, "", {"platform"}),
        ({ActorKind.MEMBERS}, "", {"member:uma", "member:ann"}),
        ({ActorKind.PROVEN}, "uma", {"member:uma"}),
        ({ActorKind.PROVEN}, "", set()),
        (set(), "uma", set()),
    ],
)
def test_an_actor_is_one_that_the_caller_may_act_for(kinds, member, allowed):
    """The platform, members, and the member that a token names are three permissions."""
    caller = Caller("app", actors=frozenset(kinds), member=member)
    actors = ["platform", "member:uma", "member:ann", "member:", "uma", "", "group:sales"]
    assert {actor for actor in actors if caller.may_act_for(actor)} - {"member:"} == allowed


def test_trust_is_all_rights_and_nobody_has_none():
    """Where no callers are configured each client may do everything; outside of a call nothing is allowed."""
    assert all(TRUSTED.has_for_all(right) for right in Right)
    assert TRUSTED.may_act_for("platform")
    assert not any(NOBODY.has(right) for right in Right)
    assert not NOBODY.may_act_for("platform")
