"""Errors of the database and its driver: retried, or translated to the store's errors."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from sidegate.errors import InvalidInput, StoreUnavailable, Violation

_T = TypeVar("_T")
_UNFIT = Violation("value", "a stored value must be finite JSON, a number of 64 bits or valid unicode")
_OVERTAKEN = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock: the database rolled the transaction back so that another could go on."""
_PAUSES = (0.01, 0.05, 0.25)


def sqlstate(error: BaseException) -> str:
    """Return PostgreSQL's code of an error, "" where it has none."""
    code: str | None = getattr(getattr(error, "orig", error), "sqlstate", None)
    return code or ""


class _Lost(ConnectionError):
    """A connection broke before anything was committed on it."""


@contextmanager
def uncommitted() -> Iterator[None]:
    """Mark an error of a connection that breaks in this block as safe for `retried`: nothing was committed."""
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated:
            raise _Lost from error
        raise


async def retried(transaction: Callable[[], Awaitable[_T]]) -> _T:
    """Run a transaction, again if it failed for a reason outside of it and nothing was committed.

    It is retried once if its connection was broken, since connections are not tested before use, and a bounded number
    of times if the database rolled it back in favor of another.
    """
    try:
        return await _unless_overtaken(transaction)
    except _Lost:
        return await _unless_overtaken(transaction)


async def _unless_overtaken(transaction: Callable[[], Awaitable[_T]]) -> _T:
    for pause in _PAUSES:
        try:
            return await transaction()
        except DBAPIError as error:
            if sqlstate(error) not in _OVERTAKEN:
                raise
        # A random pause, so that the same two do not conflict again.
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret depends on it
    return await transaction()


@contextmanager
def translated() -> Iterator[None]:
    """Raise InvalidInput for values that can't be stored and StoreUnavailable for all other failures within."""
    try:
        yield
    except IntegrityError as error:
        message = "a change refers to a thing that is not there, or leaves behind what refers to it"
        raise InvalidInput(Violation("changes", message)) from error
    except (DataError, OverflowError, UnicodeError) as error:
        raise InvalidInput(_UNFIT) from error
    except StatementError as error:
        if sqlstate(error) in _OVERTAKEN:
            raise StoreUnavailable("the store is too busy: retry") from error
        # Other than the driver's errors, this is a value that can't be encoded, such as NaN as JSON.
        if isinstance(error, DBAPIError):
            raise StoreUnavailable("the store does not answer") from error
        raise InvalidInput(_UNFIT) from error
    except (SQLAlchemyError, OSError) as error:
        raise StoreUnavailable("the store does not answer") from error
