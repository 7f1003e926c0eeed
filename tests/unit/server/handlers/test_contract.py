"""What the wire contract promises of every call at once."""

import pytest

from sidegate.authz.v1 import history_pb2, membership_pb2, resource_pb2, role_pb2, tenant_pb2

FILES = (tenant_pb2, membership_pb2, role_pb2, resource_pb2, history_pb2)
METHODS = {
    method.full_name.removeprefix("sidegate.authz.v1."): method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
FOR_THE_APPLICATION = {
    "MembershipService.AcceptInvitation",  # the bearer of the token accepts
    "MembershipService.RecordAccess",  # no change of the facts
    "HistoryService.WatchChanges",  # members are answered by ListChanges
}


@pytest.mark.parametrize("name", sorted(METHODS.keys() - FOR_THE_APPLICATION))
def test_every_call_names_its_actor(name):
    """Reads and writes alike say who asks, so that the pack can decide; where `actor` is a condition, `requester`."""
    fields = METHODS[name].input_type.fields_by_name
    assert ("requester" if name == "HistoryService.ListChanges" else "actor") in fields


@pytest.mark.parametrize("name", sorted(name for name in METHODS if ".List" in name))
def test_every_list_is_read_in_pages(name):
    """A list has a size and a token in its request, and the next token in its answer."""
    assert {"page_size", "page_token"} <= {*METHODS[name].input_type.fields_by_name}
    assert "next_page_token" in METHODS[name].output_type.fields_by_name
