"""Clients of Redis by its address: standalone, behind Sentinel, or a cluster.

The library would try ten times and wait five seconds each, and it would send the server its name and version, which
an account limited by an ACL may not. Here a command is tried once, and the handshake is AUTH and SELECT alone.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, Sentinel, SSLConnection
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import RedisClusterException, RedisError
from redis.maint_notifications import MaintNotificationsConfig

from sidegate.model.store_address import RedisAccount, RedisAddress, RedisKind

Client: TypeAlias = Redis | RedisCluster
FAILURES: Final = (RedisError, RedisClusterException, OSError)
"""What a command of such a client raises where Redis fails or refuses."""
_PLAIN: Final[dict[str, Any]] = {
    "protocol": 2,
    "driver_info": None,
    "maint_notifications_config": MaintNotificationsConfig(enabled=False),
}


@dataclass(frozen=True, slots=True)
class Certificates:
    """The PEM files of TLS: what the server's certificate is verified with, and what is shown of one's own."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class _CurrentAccount(CredentialProvider):
    """Asks for the account at each new connection."""

    def __init__(self, account: Callable[[], RedisAccount]) -> None:
        self._account = account

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        account = self._account()
        return (account.user, account.password) if account.user else (account.password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        return self.get_credentials()


def connect(
    address: RedisAddress | Callable[[], RedisAddress],
    *,
    certificates: Certificates | None = None,
    patience: float = 1.0,
    connections: int = 16,
) -> Client:
    """Return a client, which connects with its first command.

    Of a function, each new connection asks for the address with the current accounts.

    A command raises one of FAILURES where it fails, at the latest after `patience` seconds for each step on its
    way: a connection, the handshake, the answer. At most `connections` are open to one server.
    """
    current = address if callable(address) else None
    address = address() if callable(address) else address
    options = _options(address, certificates or Certificates(), patience)
    if current is not None:
        options |= _rotating(current, lambda found: found.account)
    if address.kind is RedisKind.CLUSTER:
        nodes = [ClusterNode(host, port) for host, port in address.nodes]
        # Without full coverage, the keys of the remaining nodes can still be read.
        return RedisCluster(
            startup_nodes=nodes,
            retry=_once(),
            max_connections=connections,
            require_full_coverage=False,
            ssl=address.tls,
            **options,
        )
    options |= {"db": address.database, "retry": _once()}
    if address.kind is RedisKind.SENTINEL:
        return _master(address, options, connections, current)
    if address.path:
        place: dict[str, Any] = {"connection_class": UnixDomainSocketConnection, "path": address.path}
        del options["socket_keepalive"]
    else:
        ((host, port),) = address.nodes
        place = {"host": host, "port": port, **({"connection_class": SSLConnection} if address.tls else {})}
    return Redis.from_pool(BlockingConnectionPool(max_connections=connections, timeout=patience, **place, **options))


async def disconnect(client: Client) -> None:
    """Close all connections, also broken ones."""
    with suppress(*FAILURES):
        await client.aclose()
    pool = getattr(client, "connection_pool", None)
    if isinstance(pool, SentinelConnectionPool):
        with suppress(*FAILURES):
            await pool.sentinel_manager.aclose()


async def rediscover(client: Client) -> None:
    """Make the next command read a cluster's slots from its nodes again; commands in progress may fail.

    The library does so by itself after a single command that failed, and not after a pipeline.
    """
    if isinstance(client, RedisCluster):
        with suppress(*FAILURES):
            await client.aclose()


def _master(
    address: RedisAddress, options: dict[str, Any], connections: int, current: Callable[[], RedisAddress] | None
) -> Redis:
    """Return a client of the master that the sentinels name, asked again whenever it connects."""
    ours = {**options, **_account(address.sentinel_account), "db": 0, "ssl": address.tls}
    if current is not None:
        ours |= _rotating(current, lambda found: found.sentinel_account)
    sentinel = Sentinel([*address.nodes], sentinel_kwargs=ours)  # type: ignore[no-untyped-call] # the library's
    client: Redis = sentinel.master_for(address.master, max_connections=connections, ssl=address.tls, **options)
    return client


def _options(address: RedisAddress, certificates: Certificates, patience: float) -> dict[str, Any]:
    options: dict[str, Any] = {
        **_PLAIN,
        **_account(address.account),
        "socket_timeout": patience,
        "socket_connect_timeout": patience,
        "socket_keepalive": True,
    }
    if address.tls:
        options |= {
            "ssl_ca_certs": certificates.ca and str(certificates.ca),
            "ssl_certfile": certificates.certificate and str(certificates.certificate),
            "ssl_keyfile": certificates.key and str(certificates.key),
            "ssl_min_version": ssl.TLSVersion.TLSv1_2,
        }
    return options


def _account(account: RedisAccount) -> dict[str, str | None]:
    return {"username": account.user or None, "password": account.password or None}


def _rotating(current: Callable[[], RedisAddress], account: Callable[[RedisAddress], RedisAccount]) -> dict[str, Any]:
    """Return the options of an account that may change; an address without one stays without."""
    if not account(current()).password:
        return {"credential_provider": None}
    provider = _CurrentAccount(lambda: account(current()))
    return {"username": None, "password": None, "credential_provider": provider}


def _once() -> Retry:
    return Retry(NoBackoff(), 0)
