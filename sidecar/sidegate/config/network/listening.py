"""Where and how the server listens."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic_settings import NoDecode

from sidegate.config.field import setting

_OCTAL_MODE = re.compile(r"(0o?)?[0-7]{3}")
_TCP = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):(?P<port>[0-9]{1,5})")
LAME_DUCK: Final = 5.0
"""The default where load balancers may send calls: Kubernetes removes a stopping pod from its endpoints meanwhile."""
_MAX_PORT = 65_535
_UNIX = re.compile(r"unix:/[^\0]+")


def _split(value: object) -> object:
    """Return the parts of a comma-separated text; a list passes as it is."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _distinct(addresses: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(addresses)) < len(addresses):
        raise ValueError("each address once")
    return addresses


def _octal(value: object) -> object:
    """Return the mode that octal digits name, as YAML or the shell passed them."""
    text = str(value)
    if not _OCTAL_MODE.fullmatch(text):
        raise ValueError("three octal digits")
    return int(text.removeprefix("0o"), 8)


def tcp_address(address: str) -> str:
    """Return the address.

    Raises:
        ValueError: it is not `host:port`.
    """
    found = _TCP.fullmatch(address)
    if found is None or int(found["port"]) > _MAX_PORT:
        raise ValueError("host:port")
    return address


def _address(address: str) -> str:
    return address if _UNIX.fullmatch(address) else tcp_address(address)


Address = Annotated[str, AfterValidator(_address)]
Addresses = Annotated[
    tuple[Address, ...], Field(min_length=1), NoDecode, BeforeValidator(_split), AfterValidator(_distinct)
]


class ListeningSettings(BaseModel):
    """Where and how the server listens."""

    listen: Addresses = setting(
        ("127.0.0.1:8282",),
        "Addresses to serve gRPC on. Port 0 takes any free one.",
        expected="one or several, comma-separated, each once: `host:port` or `unix:/path`",
    )
    socket_mode: Annotated[int, BeforeValidator(_octal)] = setting(
        "660", "Permissions of a Unix socket.", expected="three octal digits such as `660`"
    )
    allow_insecure_network: bool = setting(
        False,
        "Listen where other machines can connect although there is no TLS or no authentication: any client that "
        "reaches the port then reads and writes everything. For networks that are protected otherwise; each start "
        "logs a warning.",
        expected="`true` or `false`",
    )
    reflection: Literal["auto", "on", "off"] = setting(
        "auto",
        "Whether clients can ask for the contract by gRPC reflection; auto: only where no address of `listen` can be "
        "reached from other machines.",
        expected="`auto`, `on` or `off`",
    )
    batch_limit: int = setting(
        100,
        "The most questions that one BatchCheck may hold.",
        expected="a whole number from 1 to 10000",
        ge=1,
        le=10_000,
    )
    max_watchers: int = setting(
        100,
        "The most streams of WatchChanges at once.",
        expected="a whole number from 0 to 10000",
        ge=0,
        le=10_000,
    )
    lame_duck: float | None = setting(
        None,
        "Seconds that a stopping server still answers all calls after its health reports NOT_SERVING: the time that "
        "load balancers and clients need to notice and to use another server. SIGINT, and a second signal, end it. "
        f"Unset: {LAME_DUCK:g} where an address can be reached from other machines, else 0.",
        expected="seconds, 0 to 3600",
        ge=0,
        le=3600,
    )
    drain: float = setting(
        10.0,
        "The most seconds that accepted calls may take to finish when the server stops, after `lame_duck`. Meanwhile "
        "new calls are refused with UNAVAILABLE, and so end those that take longer.",
        expected="seconds, 0 to 3600",
        ge=0,
        le=3600,
    )
    closing: float = setting(
        10.0,
        "The most seconds that a stopping server then takes to save its snapshots and to close its connections; after "
        "them the process exits, even if the database does not answer.",
        expected="seconds, 0 to 3600",
        ge=0,
        le=3600,
    )
