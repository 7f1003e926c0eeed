"""The secret that seals decisions in Redis."""

from __future__ import annotations

from sidegate.bootstrap.storage.cache import sealing_secret
from sidegate.config.settings import GivenSettings

NEW, OLD = "the key of this year", "the key of last year"


class Store:
    """A store that has made a secret."""

    async def secret(self, name: str) -> bytes:
        assert name == "decision-cache"
        return b"stored"


async def secret(*keys: str) -> bytes:
    given = {"token_key": keys} if keys else {}
    return await sealing_secret(GivenSettings.model_validate(given), Store())


async def test_the_first_key_seals() -> None:
    """The first key decides alone; it is not the secret itself, which signs tokens."""
    assert await secret(NEW) == await secret(NEW, OLD) != await secret(OLD, NEW)
    assert NEW.encode() not in await secret(NEW)


async def test_without_a_key_the_database_has_the_secret() -> None:
    """It is made once, and shared by all sidecars of the database."""
    assert await secret() == b"stored"
