"""The settings of this process, every fault named with the flag, the variable or the file's line it came from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sidegate.config.names import CLIENT_VARIABLES, ENV_PREFIX, flag, variable
from sidegate.config.network.exposure import exposure_faults
from sidegate.config.settings import Settings, read_file
from sidegate.documents.suggestions import nearest
from sidegate.errors import Fault, FaultyFiles, SettingsError
from sidegate.model.store_address import is_file, redacted, redis_address

_INJECTED = re.compile(r"SIDEGATE_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_.+)?)")
"""What Kubernetes puts into every pod beside a service called `sidegate`; no setting may end like these."""


def load_settings(flags: Mapping[str, object]) -> Settings:
    """Return the settings from flags (by field name), the environment, and the file that either of them names.

    Raises:
        SettingsError: something is wrong; every fault is named, with the place it came from.
    """
    strays = tuple(_stray_variables())
    try:
        settings = Settings(**dict(flags))  # type: ignore[arg-type] # values are checked there
    except FaultyFiles as error:
        raise SettingsError(*strays, *_located(error.faults, flags)) from error
    except ValidationError as error:
        faults = dict.fromkeys(map(_Origins(flags).fault, error.errors()))
        # Not chained: pydantic's own text quotes the secret.
        raise SettingsError(*strays, *sorted(faults, key=lambda fault: (fault.file, fault.line))) from None
    crossed = tuple(_Origins(flags).crossed(settings))
    if strays or crossed:
        raise SettingsError(*strays, *crossed)
    return settings


def _located(faults: Iterable[Fault], flags: Mapping[str, object]) -> Iterator[Fault]:
    """Yield faults with the origin of their setting; those of a settings file, which may be unreadable, have one."""
    for fault in faults:
        yield fault if fault.file else _Origins(flags).located(fault)


def _stray_variables() -> Iterator[Fault]:
    known = {variable(name) for name in Settings.model_fields}
    for name in sorted(os.environ):
        if not name.startswith(ENV_PREFIX) or name in known | CLIENT_VARIABLES or _INJECTED.fullmatch(name):
            continue
        yield Fault(f"environment {name}", 0, "", f"no such setting: {nearest(name, known)}")


class _Origins:
    """Knows where each value came from."""

    def __init__(self, flags: Mapping[str, object]) -> None:
        self._flags = flags
        self._environment = {name.upper() for name, value in os.environ.items() if value}
        path = flags.get("config") or os.environ.get(variable("config"))
        self._document = read_file(Path(str(path))) if path else None

    def fault(self, error: ErrorDetails) -> Fault:
        """Return what pydantic found, with its origin and what would be right."""
        name = str(error["loc"][0])
        if error["type"] == "extra_forbidden":
            return self._at(name, f"no such setting: {nearest(name, Settings.model_fields)}")
        extra: Any = Settings.model_fields[name].json_schema_extra
        given = name if self._given(name) or not self._given(f"{name}_file") else f"{name}_file"
        return self._at(given, f"{_quoted(name, error['input'])} is not right: expected {extra['expected']}")

    def located(self, fault: Fault) -> Fault:
        """Return a fault of a setting with its origin."""
        return self._at(fault.key, fault.message)

    def crossed(self, settings: Settings) -> Iterator[Fault]:
        """Yield the faults of values that are right alone and wrong together, each at a value that was given."""
        if settings.poll_interval >= settings.max_staleness:
            name = next((name for name in ("poll_interval", "max_staleness") if self._given(name)), "poll_interval")
            message = f"`{settings.poll_interval:g}` must be less than max_staleness, `{settings.max_staleness:g}`"
            yield self._at(name, f"a poll_interval of {message}")
        yield from self._redis_faults(settings)
        yield from self._half_pairs(settings)
        for name, message in exposure_faults(settings):
            yield self._at(name, message)
        if settings.hints == "redis" and settings.redis is None:
            yield self._at("hints", "`redis` is not right without a redis: expected the setting `redis` with it")
        if settings.hints == "store" and is_file(settings.database.get_secret_value()):
            yield self._at("hints", f"`store` is not right: the database `{settings.database}` gives no hints")

    def _redis_faults(self, settings: Settings) -> Iterator[Fault]:
        files = {name: getattr(settings, name) for name in ("redis_ca", "redis_certificate", "redis_key")}
        secured = settings.redis is not None and redis_address(settings.redis.get_secret_value()).tls
        for name, path in files.items():
            if path is not None and not secured:
                yield self._at(name, f"`{path}` has no effect without TLS: expected a `redis` that begins `rediss`")
        if settings.cache == "always" and settings.redis is None:
            yield self._at("cache", "`always` remembers decisions in Redis: expected `redis` with it")

    def _half_pairs(self, settings: Settings) -> Iterator[Fault]:
        for pair in (("redis_certificate", "redis_key"), ("tls_certificate", "tls_key")):
            for name, other in (pair, reversed(pair)):
                if getattr(settings, name) is not None and getattr(settings, other) is None:
                    yield self._at(name, f"`{getattr(settings, name)}` is half of a pair: expected {other} with it")
        if settings.tls_client_ca is not None and settings.tls_certificate is None:
            yield self._at(
                "tls_client_ca",
                f"`{settings.tls_client_ca}` has no effect without TLS: expected tls_certificate with it",
            )

    def _given(self, name: str) -> bool:
        document = self._document
        in_file = document is not None and (name,) in document.lines
        return name in self._flags or variable(name) in self._environment or in_file

    def _at(self, name: str, message: str) -> Fault:
        if name in self._flags:
            return Fault(f"flag {flag(name)}", 0, name, message)
        if variable(name) in self._environment:
            return Fault(f"environment {variable(name)}", 0, name, message)
        if self._document is not None and (name,) in self._document.lines:
            return self._document.fault((name,), message)
        return Fault("default", 0, name, message)


def _quoted(name: str, value: object) -> str:
    """Return a wrong value as a message may show it: no secret, and of an address nothing secret."""
    if name == "token_key":
        return "the given secret"
    text = str(value)
    addressed = name in {"database", "redis"}
    of_server = addressed and ("@" in text or ("://" in text and not text.startswith("sqlite:")))
    return f"`{redacted(text) if of_server else _shown(value)}`"


def _shown(value: object, limit: int = 80) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
