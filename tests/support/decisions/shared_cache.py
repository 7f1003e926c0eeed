"""A shared cache without a server: what is put is there at once, and a test can alter it."""

from __future__ import annotations


class DictCache:
    """A `SharedCache` in a dict; `kept` is what whoever can write to the cache can alter."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.asked = 0

    async def get(self, key: bytes) -> bytes | None:
        """Return what is kept under a key."""
        self.asked += 1
        return self.kept.get(key)

    def put(self, key: bytes, value: bytes, *, seconds: float) -> None:
        """Keep a value."""
        assert seconds > 0
        self.kept[key] = value

    async def close(self) -> None:
        """Let go of everything."""
        self.kept.clear()


class Counted:
    """A `CacheObserver` that remembers what it was told."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.states: list[str] = []

    def count(self, event: str) -> None:
        """Remember an event."""
        self.events.append(str(event))

    def breaker(self, state: str) -> None:
        """Remember a state."""
        self.states.append(str(state))

    def taken(self) -> list[str]:
        """Return the events since the last call."""
        events, self.events = self.events, []
        return events
