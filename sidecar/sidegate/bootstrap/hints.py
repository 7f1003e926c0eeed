"""Where hints come from."""

from __future__ import annotations

from functools import partial

from sidegate.bootstrap.redis import redis_client
from sidegate.config.settings import Settings
from sidegate.ports.hints import Hints
from sidegate_adapters.redis.hints import RedisHints
from sidegate_adapters.sql.opening import store_hints

CHANNEL = "hints"
_CONNECTIONS = 2


def chosen_hints(settings: Settings) -> Hints | None:
    """Return the hints that the settings choose, None where there are none."""
    if settings.hints == "off":
        return None
    of_store = None if settings.hints == "redis" else store_hints(settings.database.get_secret_value())
    if of_store is not None or settings.redis is None or settings.hints == "store":
        return of_store
    client = partial(redis_client, settings, connections=_CONNECTIONS)
    return RedisHints(client, f"{settings.redis_prefix}:{CHANNEL}")
