"""How the gRPC server listens, as the settings say."""

from __future__ import annotations

from sidegate.config.settings import Settings
from sidegate.server.grpc.certificates import TlsFiles
from sidegate.server.grpc.listener import ListenerSettings


def listener_settings(settings: Settings) -> ListenerSettings:
    """Return the settings of the listener."""
    return ListenerSettings(
        addresses=settings.listen,
        socket_mode=settings.socket_mode,
        tls=_tls(settings),
        lame_duck=settings.lame_duck,
        grace=settings.drain,
    )


def _tls(settings: Settings) -> TlsFiles | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return TlsFiles(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
