"""The addresses of databases and of Redis: their syntax, their parts, and which parts may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:,/?#@\s]*)(?::[0-9]{1,5})?"
_FILE = re.compile(r"sqlite:///.+", re.DOTALL)
# A password must escape the characters that separate the parts of an address; else its end would be ambiguous.
_SERVER = re.compile(
    rf"(?P<scheme>postgresql://)(?:[^@/?#\s]*@)?(?P<place>{_HOST}(?:,{_HOST})*(?:/[^?#@\s]*)?)(?:\?[^#@\s]*)?"
)

_CREDENTIALS = r"(?:(?P<user>[^:@/?#\s]*)(?::(?P<password>[^@/?#\s]*))?@)?"
_QUERY = r"(?:\?(?P<query>[^#\s]*))?"
_REDIS_SOCKET = re.compile(rf"(?P<scheme>unix://){_CREDENTIALS}(?P<path>/[^?#\s]+){_QUERY}")
_NODE = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::[0-9]{1,5})?"
_REDIS_SERVER = re.compile(
    rf"(?P<scheme>(?P<transport>rediss?)(?:\+(?P<kind>sentinel|cluster))?://){_CREDENTIALS}"
    rf"(?P<nodes>{_NODE}(?:,{_NODE})*)(?:/(?P<path>[^?#\s]*))?{_QUERY}"
)
_ACCOUNT = re.compile(
    r"(?P<scheme>[a-z+]+://)(?:(?P<user>[^:@/?#\s]*)(?::(?P<password>[^@/?#\s]*))?@)?(?P<place>[^@\s]*)"
)
_OF_ACCOUNT: Final = frozenset({"user", "password", "sentinel_user", "sentinel_password"})
"""The parameters of an address that are part of an account."""
_NUMBER = re.compile(r"[0-9]{1,5}")
_REDIS_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_MAX_PORT: Final = 65_535


class RedisKind(StrEnum):
    """How the servers behind an address of Redis are organized."""

    STANDALONE = "standalone"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisAccount:
    """The account to connect as; both are "" without one."""

    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where Redis is: its nodes, or the path of a Unix socket; of Sentinel, the sentinels and the master's name."""

    kind: RedisKind
    nodes: tuple[tuple[str, int], ...] = ()
    path: str = ""
    master: str = ""
    database: int = 0
    tls: bool = False
    account: RedisAccount = RedisAccount()
    sentinel_account: RedisAccount = RedisAccount()


def redis_address(address: str) -> RedisAddress:
    """Return the parts of an address of Redis.

    Raises:
        ValueError: it is none.
    """
    if socket := _REDIS_SOCKET.fullmatch(address):
        options = _options(socket["query"], "db")
        database = _numbered(options.get("db", ""))
        path = unquote(socket["path"])
        return RedisAddress(RedisKind.STANDALONE, path=path, database=database, account=_account(socket))
    server = _REDIS_SERVER.fullmatch(address)
    if server is None:
        raise ValueError("not of the form of an address of Redis")
    kind = RedisKind(server["kind"] or RedisKind.STANDALONE)
    sentinels = kind is RedisKind.SENTINEL
    options = _options(server["query"], *(("sentinel_user", "sentinel_password") if sentinels else ()))
    nodes = tuple(_node(node, _SENTINEL_PORT if sentinels else _REDIS_PORT) for node in server["nodes"].split(","))
    if kind is RedisKind.STANDALONE and len(nodes) > 1:
        raise ValueError("several nodes are a `redis+sentinel` or a `redis+cluster`")
    master, database = _within(kind, server["path"] or "")
    return RedisAddress(
        kind,
        nodes,
        master=master,
        database=database,
        tls=server["transport"] == "rediss",
        account=_account(server),
        sentinel_account=RedisAccount(options.get("sentinel_user", ""), options.get("sentinel_password", "")),
    )


def is_database(address: str) -> bool:
    """Return whether an address is of the form of SQLite or of PostgreSQL."""
    return bool(_FILE.fullmatch(address) or _SERVER.fullmatch(address))


def is_file(address: str) -> bool:
    """Return whether the address of a database is that of a file."""
    return bool(_FILE.fullmatch(address))


def redacted(address: str) -> str:
    """Return the parts of an address that may be shown: a server's without user, password and parameters.

    Of an invalid address only the scheme is shown, since the remainder may hold a password.
    """
    if _FILE.fullmatch(address):
        return address
    if server := _SERVER.fullmatch(address):
        return server["scheme"] + server["place"]
    if socket := _REDIS_SOCKET.fullmatch(address):
        return socket["scheme"] + socket["path"]
    if redis := _REDIS_SERVER.fullmatch(address):
        return redis["scheme"] + redis["nodes"] + (f"/{redis['path']}" if redis["path"] else "")
    scheme, separator, _ = address.partition("://")
    return f"{scheme}://…" if separator and scheme.isalnum() else "…"


def has_password(address: str) -> bool:
    """Return whether the address of a server holds a password, before its host or as a parameter."""
    found = _ACCOUNT.fullmatch(address)
    return found is not None and (found["password"] is not None or "password" in _parameters(found["place"]))


def with_password(address: str, password: str) -> str:
    """Return the address of a server with this password, instead of the one before its host if there is one.

    Raises:
        ValueError: it is not the address of a server.
    """
    found = _ACCOUNT.fullmatch(address)
    if found is None or is_file(address):
        raise ValueError("not the address of a server")
    return f"{found['scheme']}{found['user'] or ''}:{quote(password, safe='')}@{found['place']}"


def same_server(one: str, other: str) -> bool:
    """Return whether two addresses differ in user and password at most."""
    found = [_ACCOUNT.fullmatch(address) for address in (one, other)]
    parts = [
        part and (part["scheme"], part["place"].partition("?")[0], _parameters(part["place"], without=_OF_ACCOUNT))
        for part in found
    ]
    return parts[0] is not None and parts[0] == parts[1]


def _parameters(place: str, *, without: frozenset[str] = frozenset()) -> dict[str, str]:
    given = parse_qsl(place.partition("?")[2], keep_blank_values=True)
    return {name: value for name, value in given if name not in without}


def _options(query: str | None, *known: str) -> dict[str, str]:
    options = dict(parse_qsl(query or "", keep_blank_values=True, strict_parsing=bool(query)))
    for name in options:
        if name not in known:
            raise ValueError(f"it takes no parameter `{name}`")
    return options


def _account(found: re.Match[str]) -> RedisAccount:
    return RedisAccount(unquote(found["user"] or ""), unquote(found["password"] or ""))


def _node(node: str, port: int) -> tuple[str, int]:
    host, separator, given = node.rpartition(":") if not node.endswith("]") else (node, "", "")
    host, number = (host, int(given)) if separator else (node, port)
    if not 0 < number <= _MAX_PORT:
        raise ValueError(f"`{number}` is no port")
    return host.strip("[]"), number


def _within(kind: RedisKind, path: str) -> tuple[str, int]:
    """Return the master's name and the number of the database that a path contains."""
    if kind is RedisKind.CLUSTER:
        if path:
            raise ValueError("a cluster has neither a master's name nor numbered databases")
        return "", 0
    if kind is RedisKind.STANDALONE:
        return "", _numbered(path)
    master, _, number = path.partition("/")
    if not master:
        raise ValueError("the master's name comes after the sentinels, as in `/mymaster`")
    return unquote(master), _numbered(number)


def _numbered(number: str) -> int:
    """Return the number of a database, 0 for ""."""
    if number and not _NUMBER.fullmatch(number):
        raise ValueError(f"`{number}` is no number of a database")
    return int(number or 0)
