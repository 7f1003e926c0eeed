"""Stands around every call: reads its message, tells its errors, and reports it when it is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator
from contextlib import aclosing, contextmanager
from time import perf_counter
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc.code_pb2 import Code
from grpc_status import rpc_status

from sidegate.errors import InvalidInput, Stopping, Violation
from sidegate.server.calls.errors import report_error
from sidegate.telemetry.calls import CallHook, FinishedCall, ignore_call

Behaviour = Callable[[Any, Any], Awaitable[Any]]

_FAREWELL = "the server stops: go on elsewhere, or here once it is back"


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc] # the library is untyped and demands its class
    """Guards the calls; `services` are those whose streams it guards, too: others' tell their own errors."""

    def __init__(self, on_call: CallHook = ignore_call, *, services: Collection[str] = ()) -> None:
        self._on_call = on_call
        self._services = frozenset(services)
        self._guarded: dict[str, Any] = {}
        self._awaited: set[asyncio.Timeout] = set()
        self._stopping = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def quiet(self, seconds: float) -> None:
        """Wait until no guarded call is under way, and none was a while ago."""
        while True:
            await self._idle.wait()
            await asyncio.sleep(seconds)
            if self._idle.is_set():
                return

    def end_streams(self) -> None:
        """End the guarded streams, and those to come, with an error that lets their callers go on elsewhere."""
        self._stopping = True
        for awaited in self._awaited:
            if not awaited.expired():
                awaited.reschedule(0)

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], call: Any) -> Any:
        """Return the handler of a method with the guard around it, made once per method."""
        method = call.method
        handler = self._guarded.get(method)
        if handler is None:
            handler = await continuation(call)
            if handler is None or not self._is_guarded(method, handler):
                return handler
            handler = self._guarded[method] = self._guard(method.removeprefix("/"), handler)
        return handler

    def _is_guarded(self, method: str, handler: Any) -> bool:
        if handler.request_streaming:
            return False
        return not handler.response_streaming or method.split("/")[1] in self._services

    def _guard(self, method: str, handler: Any) -> Any:
        streams = handler.response_streaming
        behaviour: Behaviour = self._written(handler.unary_stream) if streams else handler.unary_unary
        made = grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
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
                status = report_error(error, call=method)
                code = Code.Name(status.code)
                await context.abort_with_status(rpc_status.to_status(status))
            except BaseException:
                code = "DEADLINE_EXCEEDED" if _expired(context) else "CANCELLED"
                raise
            else:
                return answer
            finally:
                self._end(FinishedCall(method, code, perf_counter() - began))

        # Bytes are parsed inside the guard: the library would report unreadable ones as an error of the server.
        return made(guarded, None, handler.response_serializer)

    def _written(self, stream: Callable[[Any, Any], AsyncGenerator[Any, None]]) -> Behaviour:
        async def written(message: Any, context: Any) -> None:
            # The caller learns at once that it is heard, however long there is nothing to tell.
            await context.send_initial_metadata(())
            async with aclosing(stream(message, context)) as responses:
                while (response := await self._next(responses)) is not None:
                    with self._at_the_callers_pace():
                        await context.write(response)

        return written

    async def _next(self, responses: AsyncGenerator[Any, None]) -> Any:
        """Return the next response, None where there is none.

        Raises:
            Stopping: the server stops.
        """
        if self._stopping:
            raise Stopping(_FAREWELL)
        try:
            # A write must not be stopped like this: the library can send no status after one that was cancelled.
            async with asyncio.timeout(None) as until:
                self._awaited.add(until)
                try:
                    return await anext(responses, None)
                finally:
                    self._awaited.discard(until)
        except TimeoutError:
            if not until.expired():
                raise
            raise Stopping(_FAREWELL) from None

    @contextmanager
    def _at_the_callers_pace(self) -> Iterator[None]:
        """Do not count a call as under way meanwhile: a stop waits for no caller that has stopped reading."""
        self._leave()
        try:
            yield
        finally:
            self._enter()

    def _begin(self) -> float:
        self._enter()
        return perf_counter()

    def _end(self, call: FinishedCall) -> None:
        self._leave()
        self._on_call(call)

    def _enter(self) -> None:
        self._under_way += 1
        self._idle.clear()

    def _leave(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._idle.set()


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
