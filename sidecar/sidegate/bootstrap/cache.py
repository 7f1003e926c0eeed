"""What remembers decisions: memory, and Redis where there is one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from sidegate.bootstrap.redis import redis_client
from sidegate.config.settings import Settings
from sidegate.decision.cache import DecisionCache, Tiers
from sidegate.decision.known import RuleDecider, TenantDecider
from sidegate.decision.local_cache import RememberedDecisions
from sidegate.decision.sealed_cache import SealedDecisions
from sidegate.ports.facts_store import FactsStore
from sidegate.ports.shared_cache import SharedCache
from sidegate.replica.snapshots import Snapshots
from sidegate.telemetry.cache import CacheEvent, CacheObserver
from sidegate.telemetry.logging import get_log
from sidegate_adapters.redis.cache import CONNECTIONS, Hooks, RedisCache
from sidegate_adapters.redis.circuit_breaker import Breaker, State

_SECRET = "decision-cache"  # noqa: S105 - the name of a secret, not one


@asynccontextmanager
async def cached(
    delegate: RuleDecider, settings: Settings, *, store: FactsStore, snapshots: Snapshots, observer: CacheObserver
) -> AsyncIterator[TenantDecider]:
    """Yield the delegate with the caches before it that the settings ask for."""
    if settings.cache == "off":
        yield delegate
        return
    async with AsyncExitStack() as stack:
        shared = None
        cache = _shared_cache(settings, observer)
        if cache is not None:
            stack.push_async_callback(cache.close)
            secret = await store.secret(_SECRET)
            shared = SealedDecisions(
                cache, secret, engine=settings.engine, seconds=settings.cache_ttl, observer=observer
            )
        remembered = RememberedDecisions(settings.cache_entries, settings.cache_ttl, observer=observer)
        tiers = Tiers(remembered, shared, always=settings.cache == "always")
        answering = DecisionCache(delegate, snapshots=snapshots, tiers=tiers, observer=observer)
        stack.push_async_callback(answering.close)
        yield answering


def _shared_cache(settings: Settings, observer: CacheObserver) -> SharedCache | None:
    if settings.redis is None:
        return None
    health = _RedisHealth(observer)
    return RedisCache(
        redis_client(settings, connections=CONNECTIONS),
        prefix=settings.redis_prefix,
        timeout=settings.redis_timeout,
        breaker=Breaker(observe=health.entered),
        hooks=Hooks(health.failed, partial(observer.count, CacheEvent.WRITE_DROPPED)),
    )


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
