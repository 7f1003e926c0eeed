"""How the gRPC server listens, as the settings say."""

from __future__ import annotations

from sidegate.config.limits.transport import TransportSettings
from sidegate.config.network.exposure import (
    exposed,
    exposure_faults,
    has_authentication,
    lame_duck_seconds,
    unprotected,
)
from sidegate.config.settings import Settings
from sidegate.errors import StartError
from sidegate.server.admission.call_classes import CallClass
from sidegate.server.admission.message_sizes import MESSAGE_BYTES
from sidegate.server.grpc.certificates import TlsFiles
from sidegate.server.grpc.limits import TransportLimits
from sidegate.server.grpc.listener import ListenerSettings
from sidegate.telemetry.logging import get_log

_LOG = get_log("bootstrap")


def listener_settings(settings: Settings) -> ListenerSettings:
    """Return the settings of the listener, and warn of addresses that are exposed without protection.

    Raises:
        StartError: an address is exposed, and no setting allows it.
    """
    if faults := [f"{name}: {message}" for name, message in exposure_faults(settings)]:
        raise StartError("; ".join(faults))
    wide = exposed(settings.listen)
    _warn(settings, wide)
    return ListenerSettings(
        addresses=settings.listen,
        socket_mode=settings.socket_mode,
        tls=_tls(settings),
        reflection=settings.reflection == "on" or (settings.reflection == "auto" and not wide),
        message_bytes={
            **MESSAGE_BYTES,
            CallClass.CHECK: settings.check_message_bytes,
            CallClass.LIST: settings.check_message_bytes,
            CallClass.BATCH: settings.batch_message_bytes,
            CallClass.BULK: settings.bulk_message_bytes,
        },
        limits=TransportLimits(**{name: getattr(settings, name) for name in TransportSettings.model_fields}),
        lame_duck=lame_duck_seconds(settings),
        grace=settings.drain,
    )


def _warn(settings: Settings, wide: tuple[str, ...]) -> None:
    missing = unprotected(settings)
    if wide and missing:
        _LOG.warning("listening without protection", addresses=list(wide), missing=list(missing))
    if settings.metrics_address is not None and exposed([settings.metrics_address]):
        lacks = ["TLS"] if has_authentication(settings) else ["TLS", "authentication (callers)"]
        _LOG.warning("serving metrics without protection", address=settings.metrics_address, missing=lacks)


def _tls(settings: Settings) -> TlsFiles | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return TlsFiles(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
