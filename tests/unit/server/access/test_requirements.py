"""The table of what each method asks of its caller."""

from __future__ import annotations

from itertools import chain

import pytest
from google.protobuf.message_factory import GetMessageClass

from sidegate.authz.v1 import authorization_pb2, facts_pb2, history_pb2, membership_pb2, role_pb2, tenant_pb2
from sidegate.errors import InvalidInput
from sidegate.model.callers.caller import Right
from sidegate.server.access.requirements import REQUIREMENTS
from sidegate.server.grpc.services import SERVICES
from sidegate.server.wire.names import GROUPS, ids_of, name_of, tenant_in, tenant_of

_FILES = (authorization_pb2, facts_pb2, history_pb2, membership_pb2, role_pb2, tenant_pb2)
_POOL = authorization_pb2.DESCRIPTOR.pool
METHODS = {
    f"{service}/{method.name}": method for service in SERVICES for method in _POOL.FindServiceByName(service).methods
}
FILTERS = {"sidegate.authz.v1.HistoryService/WatchChanges"}
"""Methods whose field `actor` filters what is returned."""


def test_every_method_has_a_requirement():
    """No method can be added without saying who may call it, and none is listed that is not there."""
    assert set(REQUIREMENTS) == set(METHODS)


@pytest.mark.parametrize("method", [name for name in METHODS if name not in FILTERS])
def test_a_method_that_names_an_actor_asks_whether_the_caller_may_act_for_it(method):
    """Whatever the request calls the field, no caller acts for somebody it may not act for."""
    fields = {field.name for field in METHODS[method].input_type.fields}
    if "options" in fields:  # of an import, whose first message has them
        options = {"actor": "member:uma"}
        assert [*REQUIREMENTS[method].actors(facts_pb2.ImportFactsRequest())] == ["platform"]
        assert [*REQUIREMENTS[method].actors(facts_pb2.ImportFactsRequest(options=options))] == ["member:uma"]
        return
    named = "requester" if "requester" in fields else "actor" if "actor" in fields else ""
    actors = REQUIREMENTS[method].actors
    if not named:
        assert actors is None or method.endswith("/RecordAccess")
        return
    message = GetMessageClass(METHODS[method].input_type)()
    assert [*actors(message)] == ["platform"]
    setattr(message, named, "member:uma")
    assert [*actors(message)] == ["member:uma"]


READS = ("Get", "List", "Count")


@pytest.mark.parametrize("method", METHODS)
def test_rights_follow_from_what_methods_do(method):
    """Reads of the membership need one right, writes another; nothing is both."""
    service, _, name = method.rpartition("/")
    right = REQUIREMENTS[method].right
    match service.rpartition(".")[2], name:
        case "AuthorizationService", _:
            assert right is (Right.LIST if name.startswith("List") else Right.CHECK)
        case "FactsService", _:
            assert right is Right.FACTS_BULK
        case _, "WatchChanges":
            assert right is Right.EVENTS_WATCH
        case _:
            assert right is (Right.MEMBERSHIP_READ if name.startswith(READS) else Right.MEMBERSHIP_WRITE)


def filled(descriptor, tenant: str):
    """Return a request with the name of something in a tenant, or its ID, in each field that holds one."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if field.name in {"tenant", "tenant_id"} and not field.message_type:
            setattr(message, field.name, tenant)
        elif field.name == "parent":
            message.parent = name_of(tenant)
        elif field.name == "name":
            message.name = name_of(tenant, GROUPS, "sales/emea")
        elif field.message_type and field.name in {"tenant", "member", "resource"} and not field.is_repeated:
            part = getattr(message, field.name)
            if "name" in field.message_type.fields_by_name:
                part.name = name_of(tenant, GROUPS, "sales/emea")
    return message


LISTED = {
    "AuthorizationService/BatchCheck": authorization_pb2.BatchCheckRequest(
        checks=[authorization_pb2.CheckRequest(tenant=tenant) for tenant in ("acme", "globex", "acme")]
    ),
    "FactsService/ExportFacts": facts_pb2.ExportFactsRequest(tenants=["acme", "globex"]),
    "RoleService/CopyRole": role_pb2.CopyRoleRequest(
        name="tenants/acme/roles/x", targets=["tenants/globex", "tenants/initech"]
    ),
}
ALL = {
    "FactsService/ExportFacts": [facts_pb2.ExportFactsRequest()],
    "HistoryService/WatchChanges": [
        history_pb2.WatchChangesRequest(),
        history_pb2.WatchChangesRequest(parent="tenants/-"),
    ],
    "TenantService/ListTenants": [tenant_pb2.ListTenantsRequest()],
}


@pytest.mark.parametrize("method", METHODS)
def test_the_tenants_of_a_request_are_found(method):
    """Wherever a request names its tenant, the table finds it, with `/` and `%` in its ID."""
    short = method.removeprefix("sidegate.authz.v1.")
    tenants = REQUIREMENTS[method].tenants
    if short in ALL:
        assert [tenants(message) for message in ALL[short]] == [None] * len(ALL[short])
    elif short not in {*LISTED, "FactsService/ApplyFacts", "FactsService/ImportFacts"}:
        assert [*tenants(filled(METHODS[method].input_type, "ac/me%2F"))] == ["ac/me%2F"]


def test_several_tenants_are_all_found():
    """A request about several tenants needs the right for each of them."""
    found = {short: set(REQUIREMENTS[f"sidegate.authz.v1.{short}"].tenants(LISTED[short])) for short in LISTED}
    assert found == {
        "AuthorizationService/BatchCheck": {"acme", "globex"},
        "FactsService/ExportFacts": {"acme", "globex"},
        "RoleService/CopyRole": {"acme", "globex", "initech"},
    }


@pytest.mark.parametrize(
    "name", ["tenants/acme", "tenants/ac%2Fme", "tenants/acme/groups/a%2Fb", "tenants/%25/groups/x"]
)
def test_the_gate_and_the_handlers_read_the_same_tenant(name):
    """A name can't be one tenant's for the gate and another's for the handler."""
    read = ids_of(name, GROUPS, "name")[0] if "/groups/" in name else tenant_of(name, "name")
    assert tenant_in(name, "name") == read


@pytest.mark.parametrize("name", ["", "acme", "tenants", "tenants/", "groups/acme", "tenants//groups/x", "tenants/%00"])
def test_what_names_no_tenant_is_refused(name):
    """A name that the handlers would refuse is never taken for a tenant's."""
    with pytest.raises(InvalidInput):
        tenant_in(name, "name")


def test_a_member_may_record_its_own_access():
    """RecordAccess has no actor: it is the platform's, or the member's own."""
    message = membership_pb2.RecordAccessRequest(name="tenants/acme/members/uma")
    actors = REQUIREMENTS["sidegate.authz.v1.MembershipService/RecordAccess"].actors
    assert [*actors(message)] == ["platform", "member:uma"]


def test_the_files_are_complete():
    """Every service of the contract is served, so that the test above sees all methods."""
    declared = chain.from_iterable(file.DESCRIPTOR.services_by_name.values() for file in _FILES)
    assert {service.full_name for service in declared} <= set(SERVICES)
