"""Where hints come from."""

from __future__ import annotations

from sidegate.bootstrap.storage.rotating_address import current_address
from sidegate.config.settings import Settings
from sidegate.ports.hints import Hints
from sidegate_adapters.sql.opening import store_hints


def chosen_hints(settings: Settings) -> Hints | None:
    """Return the hints that the settings choose, None where there are none."""
    if settings.hints == "off":
        return None
    address = current_address(settings, "database") or settings.database.get_secret_value()
    of_store = None if settings.hints == "redis" else store_hints(address)
    if of_store is not None or settings.redis is None or settings.hints == "store":
        return of_store
    from sidegate.bootstrap.storage.redis import redis_hints  # noqa: PLC0415 - without Redis its client is not imported

    return redis_hints(settings)
