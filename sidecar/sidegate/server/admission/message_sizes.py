"""How large the messages of calls may be: each by its class, and those of all calls in progress together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from sidegate.errors import MessageTooLarge, Overloaded
from sidegate.server.admission.call_classes import CLASSES, CallClass

KIB: Final = 1024
MIB: Final = 1024 * 1024
MESSAGE_BYTES: Final[Mapping[CallClass, int]] = MappingProxyType(
    {
        CallClass.CHECK: 256 * KIB,
        CallClass.BATCH: 4 * MIB,
        CallClass.LIST: 256 * KIB,
        CallClass.READ: 64 * KIB,
        CallClass.WRITE: MIB,
        CallClass.BULK: 16 * MIB,
        CallClass.STREAM: 64 * KIB,
    }
)
"""The most bytes of a message of each class, where no setting says otherwise."""
SMALL: Final = 16 * KIB
"""Up to here a message is not counted: the number of calls in progress bounds these."""
TOGETHER: Final = 8 * MIB
"""The bytes that larger messages of one class may take together, or two of the largest where that is more."""


class MessageSizes:
    """Refuses messages before they are parsed; a call holds its message, and counts, until it ends."""

    def __init__(self, limits: Mapping[CallClass, int] = MESSAGE_BYTES) -> None:
        self._limits = limits
        self._held = dict.fromkeys(limits, 0)

    def __repr__(self) -> str:
        return f"MessageSizes({', '.join(f'{name}={held}' for name, held in self._held.items())})"

    @property
    def largest(self) -> int:
        """The most bytes of any message."""
        return max(self._limits.values())

    @contextmanager
    def held(self, method: str, size: int) -> Iterator[None]:
        """Count a message of a method, such as `AuthorizationService/Check`, while its call is in progress.

        Raises:
            MessageTooLarge: it is larger than messages of its class may be.
            Overloaded: the large messages of its class take too much memory already.
        """
        class_ = CLASSES[method]
        limit = self._limits[class_]
        if size > limit:
            raise MessageTooLarge(f"the message has {size} bytes: expected at most {limit} for {method}", limit=limit)
        if size <= SMALL:
            yield
            return
        if self._held[class_] + size > max(TOGETHER, 2 * limit):
            raise Overloaded(f"too many large messages of class `{class_}` are in progress", class_)
        self._held[class_] += size
        try:
            yield
        finally:
            self._held[class_] -= size
