"""Settings whose secrets come from files of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sidegate.errors import Fault, SettingsError
from sidegate.model.store_address import has_password, with_password
from sidegate.runtime.secret_file import read_secret

_WHOLE: Final = ("database", "redis", "token_key")
"""Settings that a file can hold whole; its own setting ends in `_file`."""
_PASSWORDS: Final = ("database", "redis")
"""Settings whose password a file can hold; its own setting ends in `_password_file`."""


def with_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of settings, completed from the files that they name.

    Raises:
        SettingsError: a file can't be used, or does not go with another setting.
    """
    found = dict(values)
    faults: list[Fault] = []
    for name in _WHOLE:
        if (path := values.get(f"{name}_file")) is not None:
            _fill(found, name, Path(path), faults)
    for name in _PASSWORDS:
        if (path := values.get(f"{name}_password_file")) is not None:
            _complete(found, name, Path(path), faults)
    if faults:
        raise SettingsError(*faults)
    return found


def _fill(values: dict[str, Any], name: str, path: Path, faults: list[Fault]) -> None:
    if values.get(name) is not None:
        faults.append(_fault(f"{name}_file", path, f"goes with no `{name}`: expected one of the two"))
    elif (secret := _read(f"{name}_file", path, faults)) is not None:
        values[name] = secret


def _complete(values: dict[str, Any], name: str, path: Path, faults: list[Fault]) -> None:
    setting, address = f"{name}_password_file", values.get(name)
    if not isinstance(address, str):
        faults.append(_fault(setting, path, f"has no address to go with: expected `{name}` with it"))
    elif has_password(address):
        faults.append(_fault(setting, path, f"goes with a `{name}` without a password: expected one of the two"))
    elif (secret := _read(setting, path, faults)) is not None:
        try:
            values[name] = with_password(address, secret)
        except ValueError:
            faults.append(_fault(setting, path, f"goes with the address of a server: expected one in `{name}`"))


def _read(setting: str, path: Path, faults: list[Fault]) -> str | None:
    try:
        return read_secret(path)
    except ValueError as error:
        faults.append(_fault(setting, path, f"{error}: expected a file with the secret"))
    except OSError as error:
        reason = (error.strerror or "not readable").lower()
        faults.append(_fault(setting, path, f"can't be read: {reason}"))
    return None


def _fault(setting: str, path: Path, message: str) -> Fault:
    return Fault("", 0, setting, f"`{path}` {message}")
