"""A shared cache without a server: what is put is there immediately, and a test can alter it."""

from __future__ import annotations


class DictCache:
    """A `SharedCache` in a dict; `entries` is what anyone who can write to the cache can alter."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.asked = 0

    async def get(self, key: bytes) -> bytes | None:
        """Return what is stored under a key."""
        self.asked += 1
        return self.entries.get(key)

    def put(self, key: bytes, value: bytes, *, seconds: float) -> None:
        """Store a value."""
        assert seconds > 0
        self.entries[key] = value

    async def close(self) -> None:
        """Drop everything."""
        self.entries.clear()


class Counted:
    """A `CacheObserver` that records what it counts."""

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
