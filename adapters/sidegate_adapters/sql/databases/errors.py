"""What the database and its driver raise becomes ours here, where trying again does not help."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from sidegate.errors import InvalidInput, StoreUnavailable, Violation

_T = TypeVar("_T")
_UNFIT = Violation("value", "what the store keeps must be finite JSON, numbers of 64 bits and valid unicode")
_OVERTAKEN = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock: the database took the transaction back so that another could go on."""
_PAUSES = (0.01, 0.05, 0.25)


def sqlstate(error: BaseException) -> str:
    """Return PostgreSQL's code of an error, "" where it has none."""
    code: str | None = getattr(getattr(error, "orig", error), "sqlstate", None)
    return code or ""


class _Lost(ConnectionError):
    """A connection broke before anything was committed on it."""


@contextmanager
def uncommitted() -> Iterator[None]:
    """Let `retried` know of a connection that breaks within that nothing was committed."""
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated:
            raise _Lost from error
        raise


async def retried(transaction: Callable[[], Awaitable[_T]]) -> _T:
    """Run a transaction, again where it came to nothing and not by what it does.

    That is once where its connection was broken, since connections are not asked whether they live before they are
    used, and a bounded number of times where the database took it back for another's sake.
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
        # Two that met once should not meet again.
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret depends on it
    return await transaction()


@contextmanager
def translated() -> Iterator[None]:
    """Raise InvalidInput for what the store can't keep and StoreUnavailable for all other failures within."""
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
        # Beside the driver's own errors, this is a value that had no form to be sent in, such as NaN as JSON.
        if isinstance(error, DBAPIError):
            raise StoreUnavailable("the store does not answer") from error
        raise InvalidInput(_UNFIT) from error
    except (SQLAlchemyError, OSError) as error:
        raise StoreUnavailable("the store does not answer") from error
