"""Warns of files that hold secrets or facts and that others than their owner can read."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from sidegate.config.settings import Settings, read_file
from sidegate.model.store_address import has_password
from sidegate.telemetry.logging import get_log
from sidegate_adapters.sql.opening import store_files

_LOG: Final = get_log("bootstrap")
_OTHERS: Final = 0o077
_SECRET_FILES: Final = (
    "tls_key",
    "redis_key",
    "database_file",
    "database_password_file",
    "redis_file",
    "redis_password_file",
    "token_key_file",
)


def warn_of_open_files(settings: Settings) -> None:
    """Log each file of the settings whose mode lets others than its owner read or write it."""
    for setting, path in _files(settings):
        with suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & _OTHERS:
                _LOG.warning(
                    "file open to others", setting=setting, path=str(path), mode=f"{mode:04o}", expected="0600"
                )


def _files(settings: Settings) -> Iterator[tuple[str, Path]]:
    for path in store_files(settings.database.get_secret_value()):
        yield "database", path
    for name in _SECRET_FILES:
        if (path := getattr(settings, name)) is not None:
            yield name, path
    if settings.config is not None and _holds_secrets(settings.config):
        yield "config", settings.config
    if settings.snapshot_directory is not None:
        for path in sorted(settings.snapshot_directory.iterdir()):
            yield "snapshot_directory", path


def _holds_secrets(config: Path) -> bool:
    given = read_file(config).value
    if not isinstance(given, dict):
        return False
    addresses = (given.get(name) for name in ("database", "redis"))
    return bool(given.get("token_key")) or any(has_password(str(address)) for address in addresses if address)
