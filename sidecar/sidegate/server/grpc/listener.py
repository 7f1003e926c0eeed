"""The gRPC server: where it listens, what it serves, how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection

from sidegate.errors import StartError
from sidegate.server.access.gate import Gate
from sidegate.server.admission.admission import Admission
from sidegate.server.admission.call_classes import CallClass
from sidegate.server.admission.message_sizes import MESSAGE_BYTES, MessageSizes
from sidegate.server.grpc import health
from sidegate.server.grpc.certificates import RotatingCertificates, TlsFiles
from sidegate.server.grpc.health import Health
from sidegate.server.grpc.interceptor import CallInterceptor
from sidegate.server.grpc.limits import TransportLimits
from sidegate.server.grpc.listen_addresses import Address, TcpAddress, check_port, parse_address
from sidegate.server.grpc.services import SERVICES, add_service
from sidegate.server.grpc.socket_files import SocketFile, socket_binding
from sidegate.telemetry.calls import CallHook, ignore_call

_STATUS_SECONDS = 1.0
"""How long a stop waits for the last statuses to be sent: those of streams, and of calls that the grace has ended."""


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """How to listen; times are in seconds.

    `tls` is for TCP; a Unix socket has none. `message_bytes` is the most bytes of a message of each class.
    `lame_duck` is how long a stopping server still answers all calls after its health reports NOT_SERVING;
    `grace` is how long the accepted calls may then take to finish.
    """

    addresses: tuple[str, ...] = ("127.0.0.1:8282",)
    socket_mode: int = 0o660
    tls: TlsFiles | None = None
    reflection: bool = True
    message_bytes: Mapping[CallClass, int] = field(default_factory=lambda: MESSAGE_BYTES)
    lame_duck: float = 0.0
    grace: float = 10.0
    limits: TransportLimits = field(default_factory=TransportLimits)


class GrpcServer:
    """Serves handlers, by the name of their service, with health and reflection, on any number of addresses.

    `ready` returns whether the server can decide now. Each call of the handlers passes `gate` first, then `admission`;
    without it, every call runs immediately.
    """

    def __init__(  # noqa: PLR0913 - all but three are keywords
        self,
        handlers: Mapping[str, object],
        ready: Callable[[], bool],
        settings: ListenerSettings,
        *,
        gate: Gate,
        on_call: CallHook = ignore_call,
        admission: Admission | None = None,
    ) -> None:
        self._handlers = handlers
        self._admission = admission
        self._settings = settings
        self._interceptor = CallInterceptor(
            gate,
            on_call,
            services=SERVICES,
            sizes=MessageSizes(settings.message_bytes),
            message_timeout=settings.limits.message_timeout,
        )
        self._health = Health(ready, SERVICES)
        self._server: Any = None
        self._sockets: list[SocketFile] = []
        self.addresses: tuple[str, ...] = ()

    def __repr__(self) -> str:
        state = "listening on " + ", ".join(self.addresses) if self.addresses else "not listening"
        return f"<GrpcServer {state}>"

    async def start(self) -> tuple[str, ...]:
        """Listen on every address and serve; return the addresses, with the ports that the system chose.

        Raises:
            StartError: an address is wrong, taken, or not this machine's, or a certificate can't be used; in all but
                a race none is listened on then.
        """
        wanted = [parse_address(text) for text in self._settings.addresses]
        if len(set(wanted)) < len(wanted):
            raise StartError("can't listen on the same address twice: expected each address once")
        # A server that never started can't release what it bound, so all is checked before one address is bound.
        for address in wanted:
            _check_free(address)
        if self._settings.tls is not None:
            RotatingCertificates(self._settings.tls)
        self._server = self._built()
        bound = tuple(str(self._bind(address)) for address in wanted)
        await self._health.start()
        await self._server.start()
        self.addresses = bound
        return bound

    async def drain(self, hurried: asyncio.Event | None = None) -> None:
        """Report NOT_SERVING, pass the lame-duck time, then refuse new calls and answer the accepted ones.

        The lame-duck time ends early when `hurried` is set.
        Streams, new calls, and calls that outlast the grace end with UNAVAILABLE. The server keeps refusing calls
        until it is closed, or until its process exits: then the system closes the connections, and their clients see
        UNAVAILABLE too.
        """
        await self._health.drain()
        if self._server is None:
            return
        await _within(self._settings.lame_duck, (hurried or asyncio.Event()).wait())
        self._interceptor.refuse()
        if not await _within(self._settings.grace, self._interceptor.answered()):
            self._interceptor.cut_off()
            await _within(_STATUS_SECONDS, self._interceptor.answered())
        await _within(_STATUS_SECONDS, self._interceptor.streams_ended())
        self._remove_sockets()

    async def stop(self, hurried: asyncio.Event | None = None) -> None:
        """Drain, then close the server and its ports, in a process that lives on; a second stop does nothing.

        The library ends calls that arrive during its own shutdown with CANCELLED: a process that exits only drains.
        """
        await self.drain(hurried)
        if self._server is not None:
            await self._server.stop(None)
        self._server = None
        self.addresses = ()

    def _remove_sockets(self) -> None:
        while self._sockets:
            self._sockets.pop().remove()

    def _built(self) -> Any:
        settings = self._settings
        server = grpc.aio.server(
            interceptors=(self._interceptor,),
            options=_options(settings),
        )
        for name, handler in self._handlers.items():
            add_service(server, name, handler, self._admission)
        self._health.add_to(server)
        if settings.reflection:
            reflection.enable_server_reflection((*SERVICES, health.SERVICE, reflection.SERVICE_NAME), server)
        return server

    def _bind(self, address: Address) -> Address:
        try:
            if isinstance(address, TcpAddress):
                return TcpAddress(address.host, self._opened(address))
            with socket_binding(address) as binding:
                self._server.add_insecure_port(binding.bind_to.target)
                self._sockets.append(binding.publish(self._settings.socket_mode))
        except (RuntimeError, OSError) as error:
            raise StartError(f"can't listen on `{address}`: another program took it, or it can't be had") from error
        return address

    def _opened(self, address: TcpAddress) -> int:
        if self._settings.tls is None:
            return int(self._server.add_insecure_port(address.target))
        return int(self._server.add_secure_port(address.target, RotatingCertificates(self._settings.tls).credentials()))


def _check_free(address: Address) -> None:
    if isinstance(address, TcpAddress):
        check_port(address)
        return
    with socket_binding(address):
        pass


async def _within(seconds: float, event: Coroutine[Any, Any, object]) -> bool:
    """Wait for an event, and return whether it came in time."""
    try:
        await asyncio.wait_for(event, seconds)
    except TimeoutError:
        return False
    return True


def _options(settings: ListenerSettings) -> tuple[tuple[str, int], ...]:
    return (
        # With SO_REUSEPORT a second server would share a taken port instead of failing.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", max(settings.message_bytes.values())),
        *settings.limits.options(),
    )
