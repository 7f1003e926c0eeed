"""The Redis that sidecars share."""

from __future__ import annotations

from sidegate.config.settings import Settings
from sidegate.model.store_address import redis_address
from sidegate_adapters.redis.connect import Certificates, Client, connect


def redis_client(settings: Settings, *, connections: int) -> Client:
    """Return a client of the Redis that the settings name; there must be one."""
    assert settings.redis is not None, "who calls has looked"
    certificates = Certificates(settings.redis_ca, settings.redis_certificate, settings.redis_key)
    address = redis_address(settings.redis.get_secret_value())
    return connect(address, certificates=certificates, connections=connections)
