"""The gate before every call."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from sidegate.authz.v1 import authorization_pb2, history_pb2, membership_pb2, role_pb2, tenant_pb2
from sidegate.errors import (
    ActorNotAllowed,
    CallerLacksRight,
    CallerRefused,
    InvalidInput,
    TenantNotAllowed,
    Unauthenticated,
)
from sidegate.model.callers.caller import ALL_TENANTS, TRUSTED, ActorKind, Caller, Right, TenantSet
from sidegate.model.callers.credentials import NO_CREDENTIALS, Credentials
from sidegate.server.access.gate import Gate, TrustAll
from sidegate.server.access.refusals import LINES, SECONDS, RefusalLog
from sidegate.server.calls.current_caller import current_caller
from sidegate.telemetry.callers import RefusedCall

CHECK = "sidegate.authz.v1.AuthorizationService/Check"
BATCH = "sidegate.authz.v1.AuthorizationService/BatchCheck"
CREATE = "sidegate.authz.v1.GroupService/CreateGroup"
ACCESS = "sidegate.authz.v1.MembershipService/RecordAccess"


def caller(*actors: ActorKind, member: str = "", **rights: TenantSet) -> Caller:
    named = {Right(name.replace("__", ".")): tenants for name, tenants in rights.items()}
    return Caller("orders", MappingProxyType(named), frozenset(actors), member)


ACME = TenantSet(frozenset({"acme"}))
CHECKER = caller(check=ACME)
WRITER = caller(ActorKind.PROVEN, member="uma", membership__write=ACME)


class Known:
    """An authenticator that knows one bearer."""

    def __init__(self, found: Caller) -> None:
        self.found = found

    async def authenticate(self, credentials: Credentials) -> Caller:
        if credentials.bearer != "s3cret":
            raise Unauthenticated("the key is not known")
        return self.found


def required(who: Caller, method: str, message) -> type[CallerRefused] | None:
    try:
        Gate(Known(who)).require(who, method, message)
    except CallerRefused as error:
        return type(error)
    return None


def check(tenant: str) -> authorization_pb2.CheckRequest:
    return authorization_pb2.CheckRequest(tenant=tenant)


def test_a_caller_needs_the_right_for_the_tenant():
    """No right, and the right for another tenant, are two refusals; neither depends on what exists."""
    assert required(CHECKER, CHECK, check("acme")) is None
    assert required(CHECKER, CHECK, check("globex")) is TenantNotAllowed
    assert required(CHECKER, CHECK, check("")) is TenantNotAllowed
    assert required(WRITER, CHECK, check("acme")) is CallerLacksRight
    batch = authorization_pb2.BatchCheckRequest(checks=[check("acme"), check("globex")])
    assert required(CHECKER, BATCH, batch) is TenantNotAllowed


def test_what_is_about_all_tenants_needs_the_right_for_all():
    """ListTenants and a watch of everything are not filtered: they are refused."""
    some, every = (
        caller(membership__read=ACME, events__watch=ACME),
        caller(ActorKind.PLATFORM, membership__read=ALL_TENANTS, events__watch=ALL_TENANTS),
    )
    tenants = ("sidegate.authz.v1.TenantService/ListTenants", tenant_pb2.ListTenantsRequest())
    watch = ("sidegate.authz.v1.HistoryService/WatchChanges", history_pb2.WatchChangesRequest(parent="tenants/-"))
    assert [required(some, *tenants), required(some, *watch)] == [TenantNotAllowed] * 2
    assert [required(every, *tenants), required(every, *watch)] == [None] * 2


def test_an_actor_is_one_that_the_caller_may_act_for():
    """A request without an actor is the platform's; a proven member acts for itself only."""

    def create(actor: str) -> role_pb2.CreateGroupRequest:
        return role_pb2.CreateGroupRequest(parent="tenants/acme", group_id="sales", actor=actor)

    assert required(WRITER, CREATE, create("member:uma")) is None
    for actor in ("", "platform", "member:ann", "uma", "member:", "group:sales"):
        assert required(WRITER, CREATE, create(actor)) is ActorNotAllowed
    access = membership_pb2.RecordAccessRequest(name="tenants/acme/members/uma")
    assert required(WRITER, ACCESS, access) is None
    access.name = "tenants/acme/members/ann"
    assert required(WRITER, ACCESS, access) is ActorNotAllowed


def test_a_method_without_a_requirement_is_refused():
    """Even for a caller that may do everything."""
    for who in (TRUSTED, CHECKER):
        assert required(who, "sidegate.authz.v1.AuthorizationService/New", check("acme")) is CallerRefused


def test_a_name_that_is_none_is_an_invalid_request():
    """The caller is not asked to have a right for something that can't be a tenant."""
    with pytest.raises(InvalidInput):
        required(WRITER, CREATE, role_pb2.CreateGroupRequest(parent="acme", actor="member:uma"))


def test_an_error_names_caller_right_and_tenant():
    """Clients read in the metadata what is missing."""
    with pytest.raises(TenantNotAllowed) as refused:
        Gate(Known(CHECKER)).require(CHECKER, CHECK, check("globex"))
    assert dict(refused.value.metadata) == {"caller": "orders", "right": "check", "tenant": "globex"}


async def test_the_caller_is_current_from_then_on():
    """What runs after the gate can ask who calls."""
    assert await Gate(Known(CHECKER)).identify(CHECK, Credentials("s3cret")) is CHECKER
    assert current_caller() is CHECKER
    assert await Gate(TrustAll()).identify(CHECK, NO_CREDENTIALS) is TRUSTED
    assert current_caller() is TRUSTED


async def test_refusals_are_counted_all_and_logged_once_in_a_while(caplog):
    """A flood of refusals is one line with how many there were, and no line holds what a client presented."""
    counted: list[RefusedCall] = []
    now = 0.0
    gate = Gate(Known(CHECKER), log=RefusalLog(counted.append, seconds=10.0, clock=lambda: now))
    for _ in range(50):
        with pytest.raises(Unauthenticated):
            await gate.identify(CHECK, Credentials("gu3ssed", peer="ipv4:10.0.0.7:4711"))
        with pytest.raises(TenantNotAllowed):
            gate.require(CHECKER, CHECK, check("globex"))
    now = 11.0
    with pytest.raises(TenantNotAllowed):
        gate.require(CHECKER, CHECK, check("globex"))
    lines = [record.msg for record in caplog.records]
    assert len(counted) == 101
    assert {(one.reason, one.caller) for one in counted} == {("UNAUTHENTICATED", ""), ("TENANT_NOT_ALLOWED", "orders")}
    assert [(line["event"], line["left_out"]) for line in lines] == [
        ("authentication failed", 0),
        ("caller refused", 0),
        ("caller refused", 49),
    ]
    assert lines[0]["peer"] == "ipv4:10.0.0.7:4711"
    assert "gu3ssed" not in str(lines)


async def test_no_number_of_clients_fills_the_log(caplog):
    """Refusals from many addresses are counted one by one, and logged up to a bound."""
    counted: list[RefusedCall] = []
    now = 0.0
    log = RefusalLog(counted.append, clock=lambda: now)
    for number in range(3 * LINES):
        log.unauthenticated(Unauthenticated("the key is not known"), method=CHECK, peer=f"ipv4:10.0.0.{number}:1")
    assert (len(counted), len(caplog.records)) == (3 * LINES, LINES)
    now = SECONDS
    log.unauthenticated(Unauthenticated("the key is not known"), method=CHECK, peer="ipv4:10.0.1.1:1")
    assert len(caplog.records) == LINES + 1


def test_an_error_is_short_whatever_a_request_names():
    """A tenant of any length fits into what trailers carry."""
    with pytest.raises(TenantNotAllowed) as refused:
        Gate(Known(CHECKER)).require(CHECKER, CHECK, check("x" * 100_000))
    assert len(str(refused.value)) + len(refused.value.metadata["tenant"]) < 1000
