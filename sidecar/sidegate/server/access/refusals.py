"""Refused callers: counted all, logged with a bound, and never with anything secret."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

from sidegate.errors import CallerRefused, Unauthenticated
from sidegate.runtime.lru import BoundedMap
from sidegate.telemetry.callers import RefusalHook, RefusedCall, ignore_refusal
from sidegate.telemetry.logging import get_log

SECONDS: Final = 10.0
"""How long a refusal that was logged is not logged again, but counted."""
LIMIT: Final = 1_000
"""Kinds of refusals for which it is known when they were logged."""
LINES: Final = 100
"""Lines in `SECONDS`, whatever they say: no number of clients can fill a log."""
_LOG = get_log("server")


class RefusalLog:
    """Counts refusals, and logs each kind of them at most once in `seconds`, with how many were left out since.

    It writes at most `LINES` lines in `seconds`; beyond them refusals are only counted.
    """

    def __init__(
        self,
        observe: RefusalHook = ignore_refusal,
        *,
        seconds: float = SECONDS,
        limit: int = LIMIT,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._observe = observe
        self._seconds = seconds
        self._clock = clock
        self._window = clock()
        self._lines = 0
        self._logged: BoundedMap[tuple[str, ...], tuple[float, int]] = BoundedMap(limit)

    def __repr__(self) -> str:
        return f"RefusalLog({self._logged!r})"

    def unauthenticated(self, error: Unauthenticated, *, method: str, peer: str) -> None:
        """Record a call whose credentials are not valid."""
        self._observe(RefusedCall(error.reason))
        why = str(error)
        self._write("authentication failed", (why, _host(peer)), method=method, why=why, peer=peer)

    def refused(self, error: CallerRefused, *, method: str) -> None:
        """Record a call that its caller may not make."""
        self._observe(RefusedCall(error.reason, error.caller))
        key = (error.reason, error.caller, method)
        self._write("caller refused", key, method=method, why=str(error), **error.metadata)

    def _write(self, event: str, key: tuple[str, ...], **details: str) -> None:
        now = self._clock()
        last, left_out = self._logged.get(key) or (None, 0)
        if last is not None and now - last < self._seconds:
            self._logged.replace(key, (last, left_out + 1))
            return
        if now - self._window >= self._seconds:
            self._window, self._lines = now, 0
        self._lines += 1
        if self._lines > LINES:
            return
        self._logged.put(key, (now, 0))
        _LOG.warning(event, **details, left_out=left_out)


def _host(peer: str) -> str:
    """Return the address of a peer without its port, which differs with each connection."""
    return peer.rpartition(":")[0]
