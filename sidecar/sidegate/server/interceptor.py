"""Stands around every call: reads its message, tells its errors, and reports it when it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc.code_pb2 import Code
from grpc_status import rpc_status

from sidegate.errors import InvalidInput, Violation
from sidegate.server.failures import told
from sidegate.telemetry.calls import CallHook, FinishedCall, ignore_call

Behaviour = Callable[[Any, Any], Awaitable[Any]]


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc] # the library is untyped and demands its class
    """Guards the unary calls; streams are those of health and reflection, which tell their own errors."""

    def __init__(self, on_call: CallHook = ignore_call) -> None:
        self._on_call = on_call
        self._guarded: dict[str, Any] = {}
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def quiet(self, seconds: float) -> None:
        """Wait until no unary call is under way, and none was a while ago."""
        while True:
            await self._idle.wait()
            await asyncio.sleep(seconds)
            if self._idle.is_set():
                return

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], call: Any) -> Any:
        """Return the handler of a method with the guard around it, made once per method."""
        method = call.method
        handler = self._guarded.get(method)
        if handler is None:
            handler = await continuation(call)
            if handler is None or handler.request_streaming or handler.response_streaming:
                return handler
            handler = self._guarded[method] = self._guard(method.removeprefix("/"), handler)
        return handler

    def _guard(self, method: str, handler: Any) -> Any:
        behaviour: Behaviour = handler.unary_unary
        parse: Callable[[bytes], Any] = handler.request_deserializer

        async def guarded(raw: bytes, context: Any) -> Any:
            began = self._begin()
            code = "UNKNOWN"
            try:
                answer = await behaviour(_parsed(raw, parse), context)
                code = "OK"
            except grpc.aio.AbortError:
                code = _name(context.code())
                raise
            except Exception as error:  # noqa: BLE001 - the last border: whatever happened becomes a status, and is logged
                status = told(error, call=method)
                code = Code.Name(status.code)
                await context.abort_with_status(rpc_status.to_status(status))
            except BaseException:
                code = "DEADLINE_EXCEEDED" if _expired(context) else "CANCELLED"
                raise
            else:
                return answer
            finally:
                self._end(FinishedCall(method, code, perf_counter() - began))

        # Bytes are parsed inside the guard: the library would tell of unreadable ones as a fault of the server.
        return grpc.unary_unary_rpc_method_handler(guarded, None, handler.response_serializer)

    def _begin(self) -> float:
        self._under_way += 1
        self._idle.clear()
        return perf_counter()

    def _end(self, call: FinishedCall) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._idle.set()
        self._on_call(call)


def _expired(context: Any) -> bool:
    left: float | None = context.time_remaining()
    return left is not None and left <= 0


def _parsed(raw: bytes, parse: Callable[[bytes], Any]) -> Any:
    try:
        return parse(raw)
    except DecodeError:
        raise InvalidInput(Violation("", "the message can't be read: expected the wire form of its type")) from None


def _name(code: Any) -> str:
    return str(code.name) if isinstance(code, grpc.StatusCode) else Code.Name(code)
