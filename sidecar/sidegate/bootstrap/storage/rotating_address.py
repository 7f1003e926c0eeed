"""Addresses whose user and password come from files, read again for each new connection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from sidegate.config.settings import Settings
from sidegate.model.store_address import same_server, with_password
from sidegate.runtime.secret_file import read_secret
from sidegate.telemetry.logging import get_log

_LOG: Final = get_log("bootstrap")


def current_address(settings: Settings, name: str) -> Callable[[], str] | None:
    """Return what returns the current address of `database` or `redis`; None where no file is part of it."""
    file, password_file = getattr(settings, f"{name}_file"), getattr(settings, f"{name}_password_file")
    if file is None and password_file is None:
        return None
    return RotatingAddress(name, getattr(settings, name).get_secret_value(), file, password_file).current


class RotatingAddress:
    """The address of a server; its user and password change with the files, and nothing else does."""

    def __init__(self, name: str, address: str, file: Path | None, password_file: Path | None) -> None:
        self._name = name
        self._address = address
        self._file = file
        self._password_file = password_file
        self._failure = ""

    def __repr__(self) -> str:
        return f"RotatingAddress({self._name!r})"

    def current(self) -> str:
        """Return the address with what the files hold now; with what they last held, where they can't be used."""
        try:
            address = self._read()
        except OSError as error:
            self._report((error.strerror or "not readable").lower())
        except ValueError as error:
            self._report(str(error))
        else:
            self._failure = ""
            if address != self._address:
                self._address = address
                _LOG.info("secret reloaded", setting=self._name)
        return self._address

    def _read(self) -> str:
        address = self._address if self._file is None else read_secret(self._file)
        if self._password_file is not None:
            address = with_password(address, read_secret(self._password_file))
        if not same_server(address, self._address):
            raise ValueError("names another server, which takes a restart")
        return address

    def _report(self, reason: str) -> None:
        if reason != self._failure:
            self._failure = reason
            _LOG.error("secret reload rejected", setting=self._name, reason=reason)
