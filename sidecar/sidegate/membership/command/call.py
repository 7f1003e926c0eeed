"""The call of a use case: for whom, by which caller, and what lets it be repeated safely."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from sidegate.errors import InvalidInput, Violation

PLATFORM: Final = "platform"
"""The actor that sets tenants up; no pack is asked about it."""


class ResponseEncoder(Protocol):
    """Encodes the response to one request, so that a repeated request gets the same response."""

    def encode(self, value: Any) -> bytes:
        """Return the encoded response for what the use case returned; equal values give equal bytes."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a use case for an actor, `platform` or `member:<id>`, made by a caller.

    `caller` is the name of the authenticated caller, such as `orders-service`; empty where callers are not
    authenticated. `request_id` and `digest` let the call be repeated safely. `encoder` encodes the response that is
    stored with the request ID; without one, an empty response is stored. With `validate_only` everything is normalized
    and nothing is written. With `for_report` the result leaves the application.
    """

    actor: str = PLATFORM
    request_id: str = ""
    digest: bytes = b""
    validate_only: bool = False
    for_report: bool = False
    caller: str = ""
    encoder: ResponseEncoder | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.actor != PLATFORM and not self.actor.removeprefix("member:").strip("*"):
            raise InvalidInput(Violation("actor", "expected `platform` or `member:` and an ID"))
        if self.actor != PLATFORM and not self.actor.startswith("member:"):
            message = f"`{self.actor}` is not right: expected `platform` or `member:{self.actor}`"
            raise InvalidInput(Violation("actor", message))

    @property
    def is_platform(self) -> bool:
        """Whether the platform itself calls."""
        return self.actor == PLATFORM

    def encode(self, value: object) -> bytes:
        """Return the encoded response for what the use case returned."""
        return self.encoder.encode(value) if self.encoder else b""
