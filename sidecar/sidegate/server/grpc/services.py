"""The gRPC face of the handlers: nothing but the transport."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message_factory import GetMessageClass

from sidegate.authz.v1 import (
    authorization_pb2,
    facts_pb2,
    history_pb2,
    membership_pb2,
    resource_pb2,
    role_pb2,
    tenant_pb2,
)
from sidegate.server.admission.admission import Admission, Unary
from sidegate.server.admission.call_classes import CLASSES, CallClass
from sidegate.server.calls.deadlines import begin_call

_FILES = (authorization_pb2, facts_pb2, tenant_pb2, membership_pb2, role_pb2, resource_pb2, history_pb2)
_BY_NAME = {
    descriptor.full_name: descriptor for file in _FILES for descriptor in file.DESCRIPTOR.services_by_name.values()
}
SERVICES = tuple(_BY_NAME)
"""The full names of Sidegate's services."""
_PACKAGE = authorization_pb2.DESCRIPTOR.package


def add_service(server: Any, name: str, handler: object, admission: Admission | None = None) -> None:
    """Register a service at a grpc.aio server: each of its calls goes to the handler's method of that name.

    The call `BatchCheck` goes to `batch_check`, which knows nothing of gRPC; one that streams is an async generator.
    One whose client streams gets an iterator of its messages.
    Without `admission`, every call runs immediately.
    """
    descriptor = _BY_NAME[f"{_PACKAGE}.{name}"]
    methods = {
        method.name: _method(method, _admitted(method, getattr(handler, _snake(method.name)), admission))
        for method in descriptor.methods
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(descriptor.full_name, methods),))
    server.add_registered_method_handlers(descriptor.full_name, methods)


def _admitted(method: Any, call: Callable[[Any], Any], admission: Admission | None) -> Callable[[Any], Any]:
    """Return the call, admitted before it runs; a watch has a limit of its own."""
    name = f"{method.containing_service.name}/{method.name}"
    if admission is None or CLASSES[name] is CallClass.STREAM:
        return call
    return admission.admitted_stream(name, call) if method.client_streaming else admission.admitted(name, call)


def _method(method: Any, call: Callable[[Any], Any]) -> Any:
    assert method.server_streaming or not method.client_streaming, "no method has many requests and one response"
    made: Any
    carried: Callable[[Any, Any], Any]
    if method.client_streaming:
        made, carried = grpc.stream_stream_rpc_method_handler, _streamed(call)
    elif method.server_streaming:
        made, carried = grpc.unary_stream_rpc_method_handler, _streamed(call)
    else:
        made, carried = grpc.unary_unary_rpc_method_handler, _carried(call)
    return made(
        carried,
        request_deserializer=GetMessageClass(method.input_type).FromString,
        response_serializer=_serialized,
    )


def _serialized(response: Any) -> bytes:
    encoded: bytes = response.SerializeToString()
    return encoded


def _carried(call: Unary) -> Callable[[Any, Any], Awaitable[Any]]:
    async def carried(request: Any, context: Any) -> Any:
        begin_call(context.time_remaining())
        return await call(request)

    return carried


def _streamed(
    call: Callable[[Any], AsyncGenerator[Any, None]],
) -> Callable[[Any, Any], AsyncGenerator[Any, None]]:
    def streamed(request: Any, _context: Any) -> AsyncGenerator[Any, None]:
        return call(request)

    return streamed


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
