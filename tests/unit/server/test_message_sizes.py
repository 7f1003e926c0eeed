"""How large messages may be, by class and together."""

from contextlib import ExitStack

import pytest

from sidegate.authz.v1 import (
    authorization_pb2,
    facts_pb2,
    history_pb2,
    membership_pb2,
    resource_pb2,
    role_pb2,
    tenant_pb2,
)
from sidegate.errors import MessageTooLarge, Overloaded
from sidegate.server.admission.call_classes import CallClass
from sidegate.server.admission.message_sizes import MESSAGE_BYTES, SMALL, TOGETHER, MessageSizes
from sidegate.server.calls.status import status_of

FILES = (authorization_pb2, facts_pb2, history_pb2, membership_pb2, resource_pb2, role_pb2, tenant_pb2)
METHODS = [
    f"{service.name}/{method.name}"
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
CHECK = "AuthorizationService/Check"
LIMIT = MESSAGE_BYTES[CallClass.CHECK]


@pytest.mark.parametrize("method", METHODS)
def test_each_method_has_a_limit(method):
    """A message at the limit is accepted, and one byte more is refused, whatever the method."""
    sizes = MessageSizes(dict.fromkeys(CallClass, 100))
    with sizes.held(method, 100):
        pass
    with pytest.raises(MessageTooLarge, match="expected at most 100"), sizes.held(method, 101):
        pytest.fail("accepted")


def test_large_messages_of_a_class_share_a_bound():
    """Large messages in progress are bounded in bytes; small ones and other classes are accepted meanwhile."""
    sizes = MessageSizes()
    with ExitStack() as stack:
        for _ in range(TOGETHER // LIMIT):
            stack.enter_context(sizes.held(CHECK, LIMIT))
        with pytest.raises(Overloaded) as caught, sizes.held(CHECK, SMALL + 1):
            pytest.fail("accepted")
        assert caught.value.call_class == "check"
        for method, size in ((CHECK, SMALL), ("AuthorizationService/BatchCheck", MESSAGE_BYTES[CallClass.BATCH])):
            stack.enter_context(sizes.held(method, size))
    with sizes.held(CHECK, LIMIT):
        pass


def test_two_of_the_largest_messages_fit_whatever_the_limit():
    """Where one message may be larger than what a class shares by default, two of them are accepted together."""
    sizes = MessageSizes()
    largest = sizes.largest
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(sizes.held("FactsService/ApplyFacts", largest))
        with pytest.raises(Overloaded), sizes.held("FactsService/ApplyFacts", largest):
            pytest.fail("accepted")


def test_the_refusal_names_the_limit():
    """The status is what gRPC itself answers to a message that is too large, with the limit in its details."""
    with pytest.raises(MessageTooLarge) as caught, MessageSizes().held(CHECK, LIMIT + 1):
        pytest.fail("accepted")
    status = status_of(caught.value)
    assert status.code == 8  # RESOURCE_EXHAUSTED
    assert str(LIMIT) in status.message
    assert caught.value.metadata == {"limit": str(LIMIT)}
