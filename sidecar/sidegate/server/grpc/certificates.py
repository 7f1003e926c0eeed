"""The server's certificates: read from files, and read again for new connections when the files change."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeAlias

import grpc

from sidegate.errors import StartError
from sidegate.telemetry.logging import get_log

_LOG = get_log("server")
_State: TypeAlias = tuple[tuple[int, int, int], ...]
_ATTEMPTS: Final = 3
"""How often files are read again that change while they are read."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The PEM files of a server: its certificate with the chain, the key, and the authorities of its clients.

    With `client_ca` each client must show a certificate that one of these authorities has issued.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files."""
        files = (self.certificate, self.key, self.client_ca)
        return tuple(path for path in files if path is not None)


class _BadCertificates(Exception):
    """The files can't be used; the text says which one and why."""


class RotatingCertificates:
    """The certificates of one address, which asks for them at each new connection.

    Each address needs its own: a new certificate is handed out once.
    """

    def __init__(self, files: TlsFiles) -> None:
        """Read the files.

        Raises:
            StartError: one can't be used.
        """
        self._files = files
        self._lock = Lock()
        try:
            self._state, self._initial = _read(files)
        except _BadCertificates as error:
            raise StartError(str(error)) from error
        self._rejected: _State | None = None

    def __repr__(self) -> str:
        return f"RotatingCertificates({self._files!r})"

    def credentials(self) -> Any:
        """Return the credentials to open a port with."""
        mutual = self._files.client_ca is not None
        return grpc.dynamic_ssl_server_credentials(self._initial, self.changed, require_client_authentication=mutual)

    def changed(self) -> Any:
        """Return the configuration of files that have changed since the last call, None where there is nothing new.

        The library calls this in a thread of its own before each handshake. Files that can't be used, such as a new
        certificate beside the old key, are logged once, and the current certificates stay.
        """
        with self._lock:
            try:
                state = _state(self._files)
                if state in (self._state, self._rejected):
                    return None
                self._state, configuration = _read(self._files)
            except _BadCertificates as error:
                self._reject(str(error))
                return None
            self._rejected = None
        _LOG.info("certificates reloaded", certificate=str(self._files.certificate))
        return configuration

    def _reject(self, reason: str) -> None:
        try:
            state: _State = _state(self._files)
        except _BadCertificates:
            state = ()
        if state != self._rejected:
            self._rejected = state
            _LOG.error("certificate reload rejected", reason=reason)


def _read(files: TlsFiles) -> tuple[_State, Any]:
    """Return the state of the files, and what gRPC needs of their content.

    Raises:
        _BadCertificates: a file can't be read or is none, or certificate and key do not belong together.
    """
    for _ in range(_ATTEMPTS):
        before = _state(files)
        contents = [_content(path) for path in files.paths]
        _check(files)
        # What was checked is what was read only if no file changed meanwhile.
        if before == _state(files):
            certificate, key, *authorities = contents
            return before, grpc.ssl_server_certificate_configuration(
                [(key, certificate)], root_certificates=authorities[0] if authorities else None
            )
    raise _BadCertificates(f"`{files.certificate}` and the files beside it change while they are read")


def _state(files: TlsFiles) -> _State:
    try:
        found = [os.stat(path) for path in files.paths]  # noqa: PTH116 - before each handshake, and Path is slower
    except OSError as error:
        raise _unreadable(error) from error
    return tuple((status.st_ino, status.st_size, status.st_mtime_ns) for status in found)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> _BadCertificates:
    return _BadCertificates(f"can't read `{error.filename}`: {(error.strerror or 'not readable').lower()}")


def _check(files: TlsFiles) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # A password is never asked for on a terminal: a key that needs one is refused.
        context.load_cert_chain(files.certificate, files.key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise _BadCertificates(
            f"tls_certificate `{files.certificate}` and tls_key `{files.key}` can't be used together: expected PEM "
            "files, a certificate with its chain and the key of this certificate without a passphrase"
        ) from error
    except OSError as error:
        raise _BadCertificates(
            f"can't read `{files.certificate}` and `{files.key}`: {(error.strerror or 'not readable').lower()}"
        ) from error
    if files.client_ca is None:
        return
    try:
        context.load_verify_locations(files.client_ca)
    except ssl.SSLError as error:
        raise _BadCertificates(
            f"tls_client_ca `{files.client_ca}` can't be used: expected a PEM file with the certificates of authorities"
        ) from error
    except OSError as error:
        raise _BadCertificates(
            f"can't read `{files.client_ca}`: {(error.strerror or 'not readable').lower()}"
        ) from error
