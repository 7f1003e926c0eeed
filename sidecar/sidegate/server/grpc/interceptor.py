"""Wraps every call: parses its message, turns its errors into statuses, and reports it when it is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager, nullcontext
from time import perf_counter
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc.code_pb2 import Code
from grpc._cython.cygrpc import ExecuteBatchError
from grpc_status import rpc_status

from sidegate.errors import InvalidInput, MessageTimeout, Stopping, Violation
from sidegate.model.callers.caller import Caller
from sidegate.model.callers.credentials import NO_CREDENTIALS
from sidegate.server.access.gate import Gate
from sidegate.server.access.requirements import PACKAGE
from sidegate.server.admission.message_sizes import MessageSizes
from sidegate.server.calls.errors import report_error
from sidegate.server.grpc.credentials import credentials_of
from sidegate.telemetry.calls import CallHook, FinishedCall, ignore_call

Behaviour = Callable[[Any, Any], Awaitable[Any]]

_STOPPING = "the server is stopping; try again, on another server if there is one"


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc] # the library is untyped and demands its class
    """Wraps unary calls of all services, and streams of `services`: other services report their streams' errors.

    Messages of `services` that are too large for `sizes` are not parsed, and their calls pass the gate; those of other
    services, such as health, need no caller. The message of a call must arrive within `message_timeout` seconds; 0
    means any time.
    """

    def __init__(
        self,
        gate: Gate,
        on_call: CallHook = ignore_call,
        *,
        services: Collection[str] = (),
        sizes: MessageSizes | None = None,
        message_timeout: float = 0.0,
    ) -> None:
        self._gate = gate
        self._sizes = sizes or MessageSizes()
        self._on_call = on_call
        self._services = frozenset(services)
        self._message_timeout = message_timeout
        self._wrapped: dict[str, Any] = {}
        self._awaited: set[asyncio.Timeout] = set()
        self._stopping = False
        self._unfinished = _Count()
        self._streams = _Count()
        self._running: set[asyncio.Task[Any]] = set()
        self._cut_off: set[asyncio.Task[Any]] = set()

    def refuse(self) -> None:
        """Refuse the calls of `services` that arrive from now on, and end their streams, with UNAVAILABLE."""
        self._stopping = True
        for awaited in self._awaited:
            if not awaited.expired():
                awaited.reschedule(0)

    async def answered(self) -> None:
        """Wait until every accepted call is answered and its answer was sent; refused calls do not count.

        A stream whose caller has stopped reading does not count either.
        """
        await self._unfinished.zero.wait()

    def cut_off(self) -> None:
        """End the accepted unary calls that are still running with UNAVAILABLE."""
        for task in self._running:
            self._cut_off.add(task)
            task.cancel()

    async def streams_ended(self) -> None:
        """Wait until every stream has sent its status; one whose caller has stopped reading never does."""
        await self._streams.zero.wait()

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], call: Any) -> Any:
        """Return the wrapped handler of a method; it is made once for each method."""
        method = call.method
        handler = self._wrapped.get(method)
        if handler is None:
            handler = await continuation(call)
            if handler is None or not self._is_wrapped(method, handler):
                return handler
            handler = self._wrapped[method] = self._wrap(method, handler)
        return handler

    def _is_wrapped(self, method: str, handler: Any) -> bool:
        return not (handler.request_streaming or handler.response_streaming) or self._is_ours(method)

    def _is_ours(self, path: str) -> bool:
        return path.split("/")[1] in self._services

    def _wrap(self, path: str, handler: Any) -> Any:
        method, streams = path.removeprefix("/"), handler.response_streaming
        behaviour: Behaviour = self._written(method, handler) if streams else handler.unary_unary
        # As a stream of one message: otherwise the library waits for it as long as the client likes.
        made = grpc.stream_stream_rpc_method_handler if streams else grpc.stream_unary_rpc_method_handler
        parse: Callable[[bytes], Any] = handler.request_deserializer
        ours = self._is_ours(path)

        async def wrapped(_messages: Any, context: Any) -> Any:
            began = perf_counter()
            code = "UNKNOWN"
            try:
                # Nothing is received from a caller that is not known.
                caller = await self._identified(method, context) if ours else None
                raw = await self._received(context)
                with self._accepted(context, refusable=ours, streams=streams), self._held(method, raw, ours=ours):
                    message = _parsed(raw, parse)
                    raw = b""
                    if caller is not None:
                        self._gate.require(caller, method, message)
                    answer = await behaviour(message, context)
                code = "OK"
            except grpc.aio.AbortError:
                code = _name(context.code())
                raise
            except Exception as error:  # noqa: BLE001 - the last boundary: every error becomes a status, and is logged
                status = report_error(error, call=method)
                code = Code.Name(status.code)
                # The library holds the error for a while, and with it the frames of handlers that hold the message.
                error.__traceback__ = None
                await context.abort_with_status(rpc_status.to_status(status))
            except BaseException:
                code = "DEADLINE_EXCEEDED" if _expired(context) else "CANCELLED"
                raise
            else:
                return answer
            finally:
                # An error that ends the call holds this frame until garbage is collected, but not the message.
                raw, message = b"", None
                self._on_call(FinishedCall(method, code, perf_counter() - began))

        # Bytes are parsed inside: the library would report unreadable ones as an error of the server.
        return made(wrapped, None, handler.response_serializer)

    def _held(self, method: str, raw: bytes, *, ours: bool) -> AbstractContextManager[None]:
        return self._sizes.held(method.removeprefix(f"{PACKAGE}."), len(raw)) if ours else nullcontext()

    async def _received(self, context: Any) -> bytes:
        """Return the message of a call.

        Raises:
            MessageTimeout: it did not arrive in time.
            InvalidInput: there is none.
        """
        raw = await self._read(context)
        if raw is None:
            raise InvalidInput(Violation("", "the call has no message: expected one"))
        return raw

    async def _read(self, context: Any) -> bytes | None:
        """Return the next message of a call, None where its client sends no more.

        Raises:
            MessageTimeout: it did not arrive in time.
        """
        try:
            async with asyncio.timeout(self._message_timeout or None):
                raw: bytes = await context.read()
        except TimeoutError:
            seconds = f"{self._message_timeout:g}"
            raise MessageTimeout(f"the message of the call did not arrive within {seconds} s") from None
        if raw is not grpc.aio.EOF:
            return raw
        if context.cancelled():
            raise asyncio.CancelledError
        return None

    async def _identified(self, method: str, context: Any) -> Caller:
        """Return the caller of a call.

        Raises:
            Unauthenticated: its credentials are not valid.
            Unavailable: they can't be checked now.
        """
        credentials = credentials_of(context) if self._gate.needs_credentials else NO_CREDENTIALS
        return await self._gate.identify(method, credentials)

    async def _still_admitted(self, method: str, message: Any, context: Any) -> None:
        """Check again that the caller of an open stream may have it.

        Raises:
            Unauthenticated: its credentials are not valid any more, such as a token that has expired.
            CallerRefused: it lost the right.
        """
        self._gate.require(await self._identified(method, context), method, message)

    def _written(self, method: str, handler: Any) -> Behaviour:
        stream: Callable[[Any, Any], AsyncGenerator[Any, None]] = handler.stream_stream or handler.unary_stream

        async def written(message: Any, context: Any) -> None:
            # The caller sees immediately that the stream is open, however long there is nothing to send.
            await context.send_initial_metadata(())
            given = self._messages(method, message, handler, context) if handler.request_streaming else message
            async with aclosing(stream(given, context)) as responses:
                while (response := await self._next(responses)) is not None:
                    await self._still_admitted(method, message, context)
                    with self._at_the_callers_pace():
                        await context.write(response)

        return written

    async def _messages(self, method: str, first: Any, handler: Any, context: Any) -> AsyncGenerator[Any, None]:
        """Yield the messages of a client that streams; each must arrive in time, as the first."""
        yield first
        while (raw := await self._read(context)) is not None:
            with self._held(method, raw, ours=True):
                yield _parsed(raw, handler.request_deserializer)

    async def _next(self, responses: AsyncGenerator[Any, None]) -> Any:
        """Return the next response, None where there is none.

        Raises:
            Stopping: the server is stopping.
        """
        if self._stopping:
            raise Stopping(_STOPPING)
        try:
            # A write must not be cancelled like this: the library can't send a status after it.
            async with asyncio.timeout(None) as until:
                self._awaited.add(until)
                try:
                    return await anext(responses, None)
                finally:
                    self._awaited.discard(until)
        except TimeoutError:
            if not until.expired():
                raise
            raise Stopping(_STOPPING) from None

    @contextmanager
    def _at_the_callers_pace(self) -> Iterator[None]:
        """Do not count a stream as unfinished meanwhile: a stop does not wait for a caller that has stopped reading."""
        self._unfinished.remove()
        try:
            yield
        except ExecuteBatchError as error:
            # The library raises this where the connection was lost before it could cancel the call.
            raise asyncio.CancelledError from error
        finally:
            self._unfinished.add()

    @contextmanager
    def _accepted(self, context: Any, *, refusable: bool, streams: bool) -> Iterator[None]:
        """Accept a call and let `cut_off` end it meanwhile; streams end by `refuse`.

        Raises:
            Stopping: the call was refused or cut off.
        """
        if refusable and self._stopping:
            raise Stopping(_STOPPING)
        self._count(context, streams=streams)
        task = asyncio.current_task()
        if task is None or streams:
            yield
            return
        self._running.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if task not in self._cut_off:
                raise
            raise Stopping(_STOPPING) from None
        finally:
            self._running.discard(task)
            self._cut_off.discard(task)

    def _count(self, context: Any, *, streams: bool) -> None:
        """Count a call as unfinished until its status was sent."""
        counts = (self._unfinished, self._streams) if streams else (self._unfinished,)
        for count in counts:
            count.add()
            context.add_done_callback(lambda _, count=count: count.remove())


class _Count:
    """A number of calls; the event `zero` is set while there are none."""

    def __init__(self) -> None:
        self._number = 0
        self.zero = asyncio.Event()
        self.zero.set()

    def add(self) -> None:
        self._number += 1
        self.zero.clear()

    def remove(self) -> None:
        self._number -= 1
        if not self._number:
            self.zero.set()


def _expired(context: Any) -> bool:
    left: float | None = context.time_remaining()
    return left is not None and left <= 0


def _parsed(raw: bytes, parse: Callable[[bytes], Any]) -> Any:
    try:
        return parse(raw)
    except DecodeError:
        expected = "expected the wire form of its type, nested at most 100 levels deep"
        raise InvalidInput(Violation("", f"can't parse the message: {expected}")) from None


def _name(code: Any) -> str:
    return str(code.name) if isinstance(code, grpc.StatusCode) else Code.Name(code)
