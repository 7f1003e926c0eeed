"""Deletions in two calls: the token of the first, which the second must carry in time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sidegate.errors import InvalidInput, Violation
from sidegate.server.wire.tokens.seals import Seals

_WITHIN: Final = timedelta(minutes=10)
_PURPOSE: Final = "deletion"


class Confirmations:
    """Makes and opens the tokens that confirm deletions; each is for one name and one etag of what would be deleted."""

    def __init__(self, seals: Seals, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._seals = seals
        self._clock = clock

    def token(self, name: str, etag: str) -> str:
        """Return the token that confirms the deletion of this name while its etag is this one."""
        return self._seals.seal(_PURPOSE, name, etag, (self._clock() + _WITHIN).isoformat())

    def etag(self, message: Any) -> str:
        """Return the etag that a request confirms, "" if it carries no confirmation.

        Raises:
            InvalidInput: the token is not ours, for something else, or too old.
        """
        if not message.confirmation_token:
            return ""
        name, etag, until = self._seals.open(_PURPOSE, message.confirmation_token, field="confirmation_token")
        if name != message.name or datetime.fromisoformat(until) <= self._clock():
            expected = f"expected the token of a call for `{message.name}` within ten minutes"
            raise InvalidInput(Violation("confirmation_token", f"is of something else, or too old: {expected}"))
        return etag
