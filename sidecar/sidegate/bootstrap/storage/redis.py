"""The Redis that sidecars share: its client, the cache and the hints in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from sidegate.bootstrap.storage.rotating_address import current_address
from sidegate.config.settings import Settings
from sidegate.model.store_address import RedisAddress, redis_address
from sidegate.ports.hints import Hints
from sidegate.ports.shared_cache import SharedCache
from sidegate.telemetry.cache import CacheEvent, CacheObserver
from sidegate.telemetry.logging import get_log
from sidegate_adapters.redis.cache import CONNECTIONS, Hooks, RedisCache
from sidegate_adapters.redis.circuit_breaker import Breaker, State
from sidegate_adapters.redis.connect import Certificates, Client, connect
from sidegate_adapters.redis.hints import RedisHints

CHANNEL: Final = "hints"
_HINT_CONNECTIONS: Final = 2


def redis_cache(settings: Settings, observer: CacheObserver) -> SharedCache:
    """Return the cache in the Redis that the settings name."""
    health = _RedisHealth(observer)
    return RedisCache(
        _client(settings, connections=CONNECTIONS),
        prefix=settings.redis_prefix,
        timeout=settings.redis_timeout,
        breaker=Breaker(observe=health.entered),
        hooks=Hooks(health.failed, partial(observer.count, CacheEvent.WRITE_DROPPED)),
    )


def redis_hints(settings: Settings) -> Hints:
    """Return the hints over the Redis that the settings name."""
    client = partial(_client, settings, connections=_HINT_CONNECTIONS)
    return RedisHints(client, f"{settings.redis_prefix}:{CHANNEL}")


def _client(settings: Settings, *, connections: int) -> Client:
    assert settings.redis is not None, "the caller has checked"
    certificates = Certificates(settings.redis_ca, settings.redis_certificate, settings.redis_key)
    current = current_address(settings, "redis")
    address = redis_address(settings.redis.get_secret_value()) if current is None else _parsed(current)
    return connect(address, certificates=certificates, connections=connections)


def _parsed(address: Callable[[], str]) -> Callable[[], RedisAddress]:
    return lambda: redis_address(address())


class _RedisHealth:
    """Counts the failures of Redis, and logs when its circuit opens, with the reason, and when it closes."""

    def __init__(self, observer: CacheObserver) -> None:
        self._observer = observer
        self._reason = ""
        self._open = False

    def failed(self, reason: str) -> None:
        """Count a read that failed."""
        self._observer.count(CacheEvent.READ_FAILED)
        self._reason = reason or self._reason

    def entered(self, state: str) -> None:
        """Record a new state of the circuit breaker."""
        self._observer.breaker(state)
        if state == State.OPEN and not self._open:
            self._open = True
            get_log("cache").warning("redis circuit open", reason=self._reason)
        elif state == State.CLOSED and self._open:
            self._open = False
            get_log("cache").info("redis circuit closed")
