"""Every method of every service has a class."""

from sidegate.authz.v1 import (
    authorization_pb2,
    facts_pb2,
    history_pb2,
    membership_pb2,
    resource_pb2,
    role_pb2,
    tenant_pb2,
)
from sidegate.server.admission.call_classes import CLASSES, CallClass

FILES = (authorization_pb2, facts_pb2, history_pb2, membership_pb2, resource_pb2, role_pb2, tenant_pb2)
METHODS = {
    f"{service.name}/{method.name}": method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


def test_every_method_has_a_class():
    """A method without a class would run unlimited; a name without a method is a mistake in the table."""
    assert set(CLASSES) == set(METHODS)


def test_streams_that_wait_are_of_class_stream():
    """A stream of changes does not hold the slot of a call that ends; a document in chunks is bulk work."""
    streams = {name for name, method in METHODS.items() if method.server_streaming and not method.client_streaming}
    assert CLASSES["FactsService/ImportFacts"] is CallClass.BULK
    assert {name for name, call_class in CLASSES.items() if call_class is CallClass.STREAM} == streams
