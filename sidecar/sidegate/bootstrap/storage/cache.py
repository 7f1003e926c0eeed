"""What remembers decisions: memory, and Redis where there is one."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sidegate.config.settings import Settings
from sidegate.decision.cache import DecisionCache, Tiers
from sidegate.decision.known import RuleDecider, TenantDecider
from sidegate.decision.local_cache import CacheLimits, RememberedDecisions
from sidegate.decision.sealed_cache import SealedDecisions
from sidegate.ports.facts_store import FactsStore
from sidegate.ports.shared_cache import SharedCache
from sidegate.replica.snapshots import Snapshots
from sidegate.telemetry.cache import CacheObserver

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
            secret = await sealing_secret(settings, store)
            shared = SealedDecisions(
                cache, secret, engine=settings.engine, seconds=settings.cache_ttl, observer=observer
            )
        limits = CacheLimits(settings.cache_entries, settings.cache_bytes, settings.cache_ttl)
        remembered = RememberedDecisions(limits, observer=observer)
        tiers = Tiers(remembered, shared, always=settings.cache == "always")
        answering = DecisionCache(delegate, snapshots=snapshots, tiers=tiers, observer=observer)
        stack.push_async_callback(answering.close)
        yield answering


async def sealing_secret(settings: Settings, store: FactsStore) -> bytes:
    """Return the secret that seals decisions in Redis: of the first `token_key`, else one that is in the database.

    After a change of the first key, decisions that were sealed with the old one are not found, and decided again.
    """
    if settings.token_key is None:
        return await store.secret(_SECRET)
    return hmac.digest(settings.token_key[0].get_secret_value().encode(), b"sidegate decision cache\0", "sha256")


def _shared_cache(settings: Settings, observer: CacheObserver) -> SharedCache | None:
    if settings.redis is None:
        return None
    from sidegate.bootstrap.storage.redis import redis_cache  # noqa: PLC0415 - without Redis its client is not imported

    return redis_cache(settings, observer)
