"""Pages of lists: their size, where they begin, and the token of the next page, which is bound to its question."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sidegate.errors import InvalidInput, Violation
from sidegate.server.wire.tokens.seals import Seals

T = TypeVar("T")
MAX_PAGE: Final = 1000
DEFAULT_PAGE: Final = 50
_PURPOSE: Final = "page"
_QUESTION_DIGITS: Final = 32
"""Hexadecimal digits of a question's digest: too many for anyone to find two questions with the same."""


@dataclass(frozen=True, slots=True)
class Page:
    """Up to `size` items whose ID is greater than `after`; `question` is what a token is bound to."""

    size: int
    after: str
    question: str

    @property
    def limit(self) -> int:
        """How many to read: one more than the page has, to know whether there are more."""
        return self.size + 1


class PageTokens:
    """Opens the token of a page and makes that of the next one."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals

    def open(self, message: Any) -> Page:
        """Return the page that a request asks for.

        Raises:
            InvalidInput: its size or token is wrong.
        """
        if message.page_size < 0:
            raise InvalidInput(Violation("page_size", f"`{message.page_size}` is not right: expected 0 or more"))
        size, question = min(message.page_size or DEFAULT_PAGE, MAX_PAGE), _question(message)
        if not message.page_token:
            return Page(size, "", question)
        bound, after = self._seals.open(_PURPOSE, message.page_token, field="page_token")
        if bound != question:
            expected = "expected the conditions of the page before, or no token"
            raise InvalidInput(Violation("page_token", f"belongs to another question: {expected}"))
        return Page(size, after, question)

    def after(self, page: Page, cursor: str) -> str:
        """Return the token of the page that begins after a cursor."""
        return self._seals.seal(_PURPOSE, page.question, cursor)

    def cut(self, page: Page, found: Sequence[T], id_of: Callable[[T], str]) -> tuple[Sequence[T], str]:
        """Return the items of the page, and the token of the next one; "" where this is the last."""
        items = found[: page.size]
        more = len(found) > page.size
        return items, self.after(page, id_of(items[-1])) if more else ""


def _question(message: Any) -> str:
    """Return the digest of a question without the token and the size of its page."""
    question = type(message)()
    question.CopyFrom(message)
    question.ClearField("page_token")
    question.ClearField("page_size")
    content = message.DESCRIPTOR.full_name.encode() + b"\0" + question.SerializeToString(deterministic=True)
    return hashlib.sha256(content).hexdigest()[:_QUESTION_DIGITS]
