"""The settings of `sidegate serve`: one class per component, joined in `Settings`.

A flag wins over the environment, the environment over the file, the file over the default.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    DirectoryPath,
    Field,
    FilePath,
    Secret,
    SecretStr,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from sidegate.addresses import is_database, is_file, redacted, redis_address
from sidegate.documents import Document, nearest, parse_document
from sidegate.errors import Fault, FaultyFiles, SettingsError

ENV_PREFIX = "SIDEGATE_"
CLIENT_VARIABLES = frozenset({"SIDEGATE_ADDRESS", "SIDEGATE_TENANT"})
"""What the client commands read from the same environment."""
_INJECTED = re.compile(r"SIDEGATE_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_.+)?)")
"""What Kubernetes puts into every pod beside a service called `sidegate`; no setting may end like these."""
_OCTAL_MODE = re.compile(r"(0o?)?[0-7]{3}")
_TCP = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):(?P<port>[0-9]{1,5})")
_MAX_PORT = 65_535
_UNIX = re.compile(r"unix:/[^\0]+")


def _setting(default: Any, meaning: str, *, expected: str, **limits: Any) -> Any:
    return Field(default, description=meaning, json_schema_extra={"expected": expected}, **limits)


def _split(value: object) -> object:
    """Return the parts of a comma-separated text; a list passes as it is."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _distinct(addresses: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(addresses)) < len(addresses):
        raise ValueError("each address once")
    return addresses


def _octal(value: object) -> object:
    """Return the mode that octal digits tell, however YAML or the shell passed them."""
    text = str(value)
    if not _OCTAL_MODE.fullmatch(text):
        raise ValueError("three octal digits")
    return int(text.removeprefix("0o"), 8)


class ServerAddress(Secret[str]):
    """The address of a database or of Redis, which may hold a password: shown without it."""

    def _display(self) -> str:
        return redacted(self.get_secret_value())


def _database(address: ServerAddress) -> ServerAddress:
    if not is_database(address.get_secret_value()):
        raise ValueError("a database URL")
    return address


def _redis(address: ServerAddress) -> ServerAddress:
    redis_address(address.get_secret_value())
    return address


def _tcp(address: str) -> str:
    found = _TCP.fullmatch(address)
    if found is None or int(found["port"]) > _MAX_PORT:
        raise ValueError("host:port")
    return address


def _address(address: str) -> str:
    return address if _UNIX.fullmatch(address) else _tcp(address)


Address = Annotated[str, AfterValidator(_address)]
Addresses = Annotated[
    tuple[Address, ...], Field(min_length=1), NoDecode, BeforeValidator(_split), AfterValidator(_distinct)
]


class Listening(BaseModel):
    """Where and how the server listens."""

    listen: Addresses = _setting(
        ("127.0.0.1:8282",),
        "Addresses to serve gRPC on. Port 0 takes any free one.",
        expected="one or several, comma-separated, each once: `host:port` or `unix:/path`",
    )
    socket_mode: Annotated[int, BeforeValidator(_octal)] = _setting(
        "660", "Permissions of a Unix socket.", expected="three octal digits such as `660`"
    )
    batch_limit: int = _setting(
        100,
        "The most questions that one BatchCheck may hold.",
        expected="a whole number from 1 to 10000",
        ge=1,
        le=10_000,
    )
    max_watchers: int = _setting(
        100,
        "The most streams of WatchChanges at once.",
        expected="a whole number from 0 to 10000",
        ge=0,
        le=10_000,
    )
    drain: float = _setting(
        10.0,
        "Seconds that calls under way get to end when the server stops.",
        expected="seconds, 0 to 3600",
        ge=0,
        le=3600,
    )


class Storing(BaseModel):
    """Where the facts are kept."""

    database: Annotated[ServerAddress, AfterValidator(_database)] = _setting(
        "sqlite:///sidegate.db",
        "The database of the membership store: an SQLite file, made where there is none, or a PostgreSQL one.",
        expected="`sqlite:///file.db`, with a fourth slash for an absolute path, or "
        "`postgresql://user:password@host/database`, the password with %-escapes",
    )
    token_key: SecretStr | None = _setting(
        None,
        "The secret that signs revision tokens; sidecars on one database share it. Unset: made once and kept in the "
        "database.",
        expected="at least 16 characters",
        min_length=16,
    )


class Sharing(BaseModel):
    """How to reach the Redis that sidecars share, where there is one."""

    redis: Annotated[ServerAddress, AfterValidator(_redis)] | None = _setting(
        None,
        "The Redis, or Valkey, that the sidecars on one database share. Unset: none. Losing it costs time, never a "
        "right answer.",
        expected="`redis://user:password@host:6379/0`, `unix:///path?db=0`, `redis+sentinel://host,host/master/0` or "
        "`redis+cluster://host,host`; `rediss` instead of `redis` with TLS, the password with %-escapes",
    )
    redis_ca: FilePath | None = _setting(
        None,
        "The certificates that Redis's own is verified with. Unset: those of the system.",
        expected="a PEM file",
    )
    redis_certificate: FilePath | None = _setting(
        None, "The certificate that is shown to Redis; goes with redis_key.", expected="a PEM file"
    )
    redis_key: FilePath | None = _setting(
        None, "The private key of redis_certificate.", expected="a PEM file, its key without a passphrase"
    )
    redis_prefix: str = _setting(
        "sidegate",
        "What the names of keys and channels in Redis begin with, and what an ACL can be limited to.",
        expected="1 to 64 letters, digits and `.`, `_`, `-` or `:`",
        pattern=r"^[A-Za-z0-9._:-]{1,64}$",
    )
    redis_timeout: float = _setting(
        0.005,
        "The most seconds of one request that are ever spent waiting for Redis.",
        expected="seconds, above 0, at most 1",
        gt=0,
        le=1,
    )


class Deciding(BaseModel):
    """By which rules to decide, and with which engine."""

    policies: DirectoryPath | None = _setting(
        None, "The directory of the policy packs. Unset: the packs that come with Sidegate.", expected="a directory"
    )
    default_pack: str = _setting(
        "standard",
        "The pack of every tenant that names none.",
        expected="the name of a pack, such as `standard`",
        pattern=r"^[a-z][a-z0-9_-]*$",
    )
    engine: Literal["indexed", "reference"] = _setting(
        "indexed", "The engine that evaluates the rules.", expected="`indexed` or `reference`"
    )


class Remembering(BaseModel):
    """How much of the store is held in memory, and how old that may be."""

    max_staleness: float = _setting(
        5.0,
        "Seconds since the last look at the store, past which a Check answers UNAVAILABLE instead of a guess.",
        expected="seconds, above 0, at most 3600",
        gt=0,
        le=3600,
    )
    poll_interval: float = _setting(
        0.5,
        "Seconds between two looks at the store; less than max_staleness.",
        expected="seconds, above 0, at most 3600",
        gt=0,
        le=3600,
    )
    hints: Literal["auto", "off", "store", "redis"] = _setting(
        "auto",
        "What tells a sidecar at once that another one wrote: the store, where it is PostgreSQL, or redis. auto takes "
        "the first of them that there is. Without hints a write is seen within poll_interval.",
        expected="`auto`, `off`, `store` with a PostgreSQL database, or `redis` with a redis",
    )
    verify_interval: float = _setting(
        10.0,
        "The least seconds between two comparisons of a tenant in memory with the store; large ones are compared "
        "less often. 0: never.",
        expected="seconds, 0 to 86400",
        ge=0,
        le=86_400,
    )
    snapshot_directory: Path | None = _setting(
        None,
        "A directory of this sidecar's own, where it keeps the tenants in memory for its next start, which then "
        "loads only what changed since. Unset: nothing is kept.",
        expected="a directory that others can't write, or where none is yet",
    )
    max_tenants: int = _setting(
        1_000,
        "The most tenants in memory; the least recently used goes first.",
        expected="a whole number, 1 or more",
        ge=1,
    )
    max_resources: int = _setting(
        100_000,
        "The most resources in memory, over all tenants; the least recently used goes first.",
        expected="a whole number, 1 or more",
        ge=1,
    )


class Caching(BaseModel):
    """Which decisions are remembered."""

    cache: Literal["off", "cold", "always"] = _setting(
        "cold",
        "Whether decisions are remembered, in memory and in Redis where there is one. Redis is asked in the `cold` "
        "alone, where answering would need the store, or `always` when memory does not know.",
        expected="`off`, `cold` or `always`, which goes with redis",
    )
    cache_entries: int = _setting(
        10_000,
        "The most decisions in memory; the least recently used goes first.",
        expected="a whole number, 1 or more",
        ge=1,
    )
    cache_ttl: float = _setting(
        300.0,
        "Seconds that a decision is remembered at most. A change of facts or rules ends it at once, whatever this is.",
        expected="seconds, above 0, at most 86400",
        gt=0,
        le=86_400,
    )


class Observing(BaseModel):
    """What the server tells about itself."""

    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "The least serious log entry that is written.", expected="`debug`, `info`, `warning` or `error`"
    )
    log_format: Literal["auto", "json", "text"] = _setting(
        "auto",
        "How log entries are written; auto is text on a terminal and JSON elsewhere.",
        expected="`auto`, `json` or `text`",
    )
    metrics_address: Annotated[str, AfterValidator(_tcp)] | None = _setting(
        None, "The address that serves Prometheus metrics over HTTP. Unset: none.", expected="`host:port`"
    )


class Trying(BaseModel):
    """What helps to try the server."""

    demo: bool = _setting(
        False, "Write a tenant `demo` into the store and print a line to paste.", expected="true or false"
    )


COMPONENTS: tuple[type[BaseModel], ...] = (
    Listening,
    Storing,
    Sharing,
    Deciding,
    Remembering,
    Caching,
    Observing,
    Trying,
)


class Settings(Trying, Observing, Caching, Remembering, Deciding, Sharing, Storing, Listening, BaseSettings):
    """All settings of the server; they never change while it runs."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", allow_inf_nan=False
    )

    config: Path | None = _setting(None, "A YAML file with any of these settings.", expected="a file")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - a .env file is no source here
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - nor is a directory of secrets
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Name the sources, the strongest first."""
        return init_settings, env_settings, _FileSource(settings_cls)


class GivenSettings(Settings):
    """Settings that come from their caller alone: no environment and no file has a say."""

    @classmethod
    def settings_customise_sources(  # noqa: D102 - as in Settings
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the caller is the only source
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - see above
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - see above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - see above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


class _FileSource(PydanticBaseSettingsSource):
    """The settings file that a flag or the environment names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field.alias or field_name, False  # never asked: the source is called as a whole

    def __call__(self) -> dict[str, Any]:
        path = self.current_state.get("config")
        return _values(_read(Path(path))) if path else {}


def load_settings(flags: Mapping[str, object]) -> Settings:
    """Return the settings from flags (by field name), the environment, and the file that either of them names.

    Raises:
        SettingsError: something is wrong; every fault is named, with the place it came from.
    """
    strays = tuple(_stray_variables())
    try:
        settings = Settings(**dict(flags))  # type: ignore[arg-type] # values are checked there
    except FaultyFiles as error:
        raise SettingsError(*strays, *error.faults) from error
    except ValidationError as error:
        faults = dict.fromkeys(map(_Origins(flags).fault, error.errors()))
        # Not chained: pydantic's own text quotes the secret.
        raise SettingsError(*strays, *sorted(faults, key=lambda fault: (fault.file, fault.line))) from None
    crossed = tuple(_Origins(flags).crossed(settings))
    if strays or crossed:
        raise SettingsError(*strays, *crossed)
    return settings


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return ENV_PREFIX + name.upper()


def flag(name: str) -> str:
    """Return the command line flag of a setting."""
    return "--" + name.replace("_", "-")


def _read(path: Path) -> Document:
    try:
        document = parse_document(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        message = f"can't read the settings: {(error.strerror or 'not readable').lower()}"
        raise SettingsError(Fault(str(path), 0, "", message)) from error
    except UnicodeDecodeError as error:
        raise SettingsError(Fault(str(path), 0, "", "not UTF-8 text")) from error
    if not isinstance(document.value, dict | None):
        raise SettingsError(document.fault((), "expected a mapping of settings, such as `log_level: debug`"))
    return document


def _values(document: Document) -> dict[str, Any]:
    """Return the file's settings; a key that is present and empty counts as absent."""
    values = document.value if isinstance(document.value, dict) else {}
    if "config" in values:
        raise SettingsError(document.fault(("config",), "a settings file can't name another"))
    return {name: value for name, value in values.items() if value is not None}


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
        self._document = _read(Path(str(path))) if path else None

    def fault(self, error: ErrorDetails) -> Fault:
        """Return what pydantic found, with its origin and what would be right."""
        name = str(error["loc"][0])
        if error["type"] == "extra_forbidden":
            return self._at(name, f"no such setting: {nearest(name, Settings.model_fields)}")
        extra: Any = Settings.model_fields[name].json_schema_extra
        return self._at(name, f"{_quoted(name, error['input'])} is not right: expected {extra['expected']}")

    def crossed(self, settings: Settings) -> Iterator[Fault]:
        """Yield the faults of values that are right alone and wrong together, each at a value that was given."""
        if settings.poll_interval >= settings.max_staleness:
            name = next((name for name in ("poll_interval", "max_staleness") if self._given(name)), "poll_interval")
            message = f"`{settings.poll_interval:g}` must be less than max_staleness, `{settings.max_staleness:g}`"
            yield self._at(name, f"a poll_interval of {message}")
        yield from self._redis_faults(settings)
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
        for name, other in (("redis_certificate", "redis_key"), ("redis_key", "redis_certificate")):
            if files[name] is not None and files[other] is None:
                yield self._at(name, f"`{files[name]}` is half of a pair: expected {other} with it")

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
    """Return a wrong value as a message may tell it: a secret not at all, of an address nothing secret."""
    if name == "token_key":
        return "the given secret"
    text = str(value)
    addressed = name in {"database", "redis"}
    of_server = addressed and ("@" in text or ("://" in text and not text.startswith("sqlite:")))
    return f"`{redacted(text) if of_server else _shown(value)}`"


def _shown(value: object, limit: int = 80) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
