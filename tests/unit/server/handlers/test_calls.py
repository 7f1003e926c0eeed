"""The call of a use case that a request makes."""

from __future__ import annotations

from contextvars import copy_context

from sidegate.authz.v1 import role_pb2 as pb
from sidegate.authz.v1.facts_pb2 import ApplyFactsRequest
from sidegate.model.callers.caller import Caller
from sidegate.server.calls.current_caller import set_current_caller
from sidegate.server.handlers.calls import read_call, write_call
from sidegate.server.handlers.facts import FactsHandler
from support.servers.sidecar import TOKENS, ScriptedFacts


async def test_documents_are_applied_with_their_caller():
    """Beside the actor that the request names, the history gets the caller that was authenticated."""
    documents = ScriptedFacts()
    set_current_caller(Caller("importer"))
    await FactsHandler(documents, None, TOKENS).apply_facts(ApplyFactsRequest(document="tenants: {}", actor="ops"))
    assert documents.calls == [("apply", "tenants: {}", "facts", "ops", "importer")]


def test_calls_name_the_caller_that_was_authenticated():
    """The caller is beside the actor in writes and in reads; it is empty where callers are not authenticated."""

    def called() -> tuple[str, str]:
        return write_call(pb.CreateGroupRequest()).caller, read_call(pb.GetGroupRequest()).caller

    def authenticated() -> tuple[str, str]:
        set_current_caller(Caller("orders-service"))
        return called()

    assert copy_context().run(authenticated) == ("orders-service", "orders-service")
    assert copy_context().run(called) == ("", "")
