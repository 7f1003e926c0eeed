"""The HTTP server of `/metrics`, `/healthz` and `/readyz`."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from socketserver import ThreadingMixIn
from threading import Thread
from typing import TYPE_CHECKING, TypeAlias
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from sidegate.errors import StartError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


MetricsRefusal: TypeAlias = Callable[[str | None, str], HTTPStatus | None]
"""Returns with which status a request is refused, by its header `Authorization` and its client's address."""


def allow_all(_authorization: str | None, _peer: str) -> None:
    """Refuse no request."""


class _SilentHandler(WSGIRequestHandler):
    """Handles requests without a line on standard error for each."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the standard library
        """Log nothing."""


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _ThreadingServerV6(_ThreadingServer):
    address_family = socket.AF_INET6


@dataclass(frozen=True, slots=True)
class MetricsServer:
    """A running HTTP server."""

    _server: WSGIServer
    _thread: Thread

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_port)

    def stop(self) -> None:
        """Stop listening and end the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve_metrics(
    host: str,
    port: int,
    *,
    registry: CollectorRegistry,
    unready_reason: Callable[[], str],
    refusal: MetricsRefusal = allow_all,
) -> MetricsServer:
    """Serve over HTTP from a thread; port 0 lets the system choose one, and `unready_reason` is "" when ready.

    `refusal` decides about each request of `/metrics`; the other paths are answered to everyone.

    Raises:
        StartError: the address can't be listened on.
    """
    app = _application(make_wsgi_app(registry), unready_reason, refusal)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        server_class = _ThreadingServerV6 if family == socket.AF_INET6 else _ThreadingServer
        server = make_server(host, port, app, server_class, _SilentHandler)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StartError(f"can't serve metrics on `{host}:{port}`: {reason.lower()}") from error
    thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    return MetricsServer(server, thread)


def _application(
    metrics: WSGIApplication, unready_reason: Callable[[], str], refusal: MetricsRefusal
) -> WSGIApplication:
    """Return the WSGI application that answers the three paths, and 404 for any other."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        headers = [("Content-Type", "text/plain; charset=utf-8")]
        match environ["PATH_INFO"]:
            case "/metrics":
                refused = refusal(environ.get("HTTP_AUTHORIZATION"), environ.get("REMOTE_ADDR", ""))
                if refused is None:
                    return metrics(environ, start_response)
                status, text = f"{refused.value} {refused.phrase}", refused.phrase.lower()
                if refused is HTTPStatus.UNAUTHORIZED:
                    headers.append(("WWW-Authenticate", "Bearer"))
            case "/healthz":
                status, text = "200 OK", "ok"
            case "/readyz":
                reason = unready_reason()
                status, text = ("503 Service Unavailable", reason) if reason else ("200 OK", "ready")
            case _:
                status, text = "404 Not Found", "not found: there are /metrics, /healthz and /readyz"
        start_response(status, headers)
        return [f"{text}\n".encode()]

    return answer
