"""The gRPC server: where it listens, what it serves, how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection

from sidegate.errors import StartError
from sidegate.server.grpc import health
from sidegate.server.grpc.health import Health
from sidegate.server.grpc.interceptor import CallInterceptor
from sidegate.server.grpc.listen_addresses import Address, TcpAddress, UnixAddress, claimed, parse_address
from sidegate.server.grpc.services import SERVICES, add_service
from sidegate.telemetry.calls import CallHook, ignore_call

_QUIET_SECONDS = 0.3
"""After so long without a call the last answers have left, and no call that had arrived is still to begin."""


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """How to listen; times are in seconds.

    `drain` is how long the server still answers after it said NOT_SERVING, for clients to notice;
    `grace` is what calls under way then get to end.
    """

    addresses: tuple[str, ...] = ("127.0.0.1:8282",)
    socket_mode: int = 0o660
    max_message_bytes: int = 16 * 1024 * 1024
    max_concurrent_calls: int | None = None
    drain: float = 0.0
    grace: float = 10.0
    client_ping_interval: float = 10.0
    keepalive: float = 60.0
    keepalive_timeout: float = 20.0


class GrpcServer:
    """Serves handlers, by the name of their service, with health and reflection, on any number of addresses.

    `ready` tells whether the server can decide now.
    """

    def __init__(
        self,
        handlers: Mapping[str, object],
        ready: Callable[[], bool],
        settings: ListenerSettings,
        *,
        on_call: CallHook = ignore_call,
    ) -> None:
        self._handlers = handlers
        self._settings = settings
        self._interceptor = CallInterceptor(on_call, services=SERVICES)
        self._health = Health(ready, SERVICES)
        self._server: Any = None
        self.addresses: tuple[str, ...] = ()

    def __repr__(self) -> str:
        state = "listening on " + ", ".join(self.addresses) if self.addresses else "not listening"
        return f"<GrpcServer {state}>"

    async def start(self) -> tuple[str, ...]:
        """Listen on every address and serve; return the addresses, with the ports that the system chose.

        Raises:
            StartError: an address is wrong, taken, or not this machine's; in all but a race none is listened on then.
        """
        wanted = [parse_address(text) for text in self._settings.addresses]
        if len(set(wanted)) < len(wanted):
            raise StartError("can't listen on the same address twice: expected each address once")
        # A server that never started can't let go of what it bound, so all places are looked at before the first.
        for address in wanted:
            with claimed(address):
                pass
        self._server = self._built()
        bound = tuple(str(self._bind(address)) for address in wanted)
        await self._health.start()
        await self._server.start()
        self.addresses = bound
        return bound

    async def stop(self) -> None:
        """Say NOT_SERVING, drain, let the calls under way end within the grace, and close."""
        await self._health.drain()
        if self._server is None:
            return
        await asyncio.sleep(self._settings.drain)
        self._interceptor.end_streams()
        stopping = asyncio.create_task(self._server.stop(self._settings.grace))
        quiet = asyncio.create_task(self._interceptor.quiet(_QUIET_SECONDS))
        await asyncio.wait((stopping, quiet), return_when=asyncio.FIRST_COMPLETED)
        quiet.cancel()
        # What is left are streams of health watches, which never end by themselves, and of callers that do not read.
        await self._server.stop(None)
        await stopping
        self.addresses = ()

    def _built(self) -> Any:
        settings = self._settings
        server = grpc.aio.server(
            interceptors=(self._interceptor,),
            options=_options(settings),
            maximum_concurrent_rpcs=settings.max_concurrent_calls,
        )
        for name, handler in self._handlers.items():
            add_service(server, name, handler)
        self._health.add_to(server)
        reflection.enable_server_reflection((*SERVICES, health.SERVICE, reflection.SERVICE_NAME), server)
        return server

    def _bind(self, address: Address) -> Address:
        with claimed(address):
            try:
                port = self._server.add_insecure_port(address.target)
                if isinstance(address, UnixAddress):
                    address.path.chmod(self._settings.socket_mode)
            except (RuntimeError, OSError) as error:
                raise StartError(f"can't listen on `{address}`: another program took it, or it can't be had") from error
        return TcpAddress(address.host, port) if isinstance(address, TcpAddress) else address


def _options(settings: ListenerSettings) -> tuple[tuple[str, int], ...]:
    return (
        # With SO_REUSEPORT a second server would share a taken port instead of failing.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        # By default a client that pings more often than every five minutes is sent away.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", round(settings.client_ping_interval * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", round(settings.keepalive * 1000)),
        ("grpc.keepalive_timeout_ms", round(settings.keepalive_timeout * 1000)),
    )
