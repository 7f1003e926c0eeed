"""Errors of the database and its driver: retried, or translated to the store's errors."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from sidegate.errors import InvalidInput, StoreBusy, StoreFull, StoreReadOnly, StoreUnavailable, Violation

_T = TypeVar("_T")
UNFIT = Violation("value", "a stored value must be finite JSON, a number of 64 bits or valid unicode")
_OVERTAKEN = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock: the database rolled the transaction back so that another could go on."""
_PAUSES = (0.01, 0.05, 0.25)
_FULL = "the store's disk, or a limit of its space, is full: free space there, then try again"
_READ_ONLY = "the store accepts no writes: check whether its database or its file system is read-only"
_BUSY = "the store is too busy; try again"
_UNAVAILABLE = "the store does not answer"
_BY_CODE: Mapping[str, tuple[type[StoreUnavailable], str]] = {
    # PostgreSQL: disk full, and a limit that was configured, such as that of temporary files.
    "53100": (StoreFull, _FULL),
    "53400": (StoreFull, _FULL),
    "25006": (StoreReadOnly, _READ_ONLY),
    # Out of memory, too many connections, a lock or statement that took too long, serialization failure, deadlock.
    **dict.fromkeys(("53200", "53300", "55P03", "57014", *_OVERTAKEN), (StoreBusy, _BUSY)),
    "SQLITE_FULL": (StoreFull, _FULL),
    # Other than a full disk, a quota and a limit of the file's size make the write itself fail.
    "SQLITE_IOERR_WRITE": (StoreFull, _FULL),
    "SQLITE_IOERR_SHMSIZE": (StoreFull, _FULL),
    "SQLITE_READONLY": (StoreReadOnly, _READ_ONLY),
    "SQLITE_BUSY": (StoreBusy, _BUSY),
}


def sqlstate(error: BaseException) -> str:
    """Return PostgreSQL's code of an error, "" where it has none."""
    code: str | None = getattr(getattr(error, "orig", error), "sqlstate", None)
    return code or ""


def sqlite_name(error: BaseException) -> str:
    """Return SQLite's name of an error, such as SQLITE_FULL, "" where it has none."""
    name: str = getattr(getattr(error, "orig", error), "sqlite_errorname", "")
    return name


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
    """Raise InvalidInput for values that can't be stored, a kind of StoreUnavailable for all other failures within."""
    try:
        yield
    except IntegrityError as error:
        message = "a change refers to a thing that is not there, or leaves behind what refers to it"
        raise InvalidInput(Violation("changes", message)) from error
    except (DataError, OverflowError, UnicodeError) as error:
        raise InvalidInput(UNFIT) from error
    except StatementError as error:
        # Other than the driver's errors, this is a value that can't be encoded, such as NaN as JSON.
        if isinstance(error, DBAPIError):
            raise _store_error(error) from error
        raise InvalidInput(UNFIT) from error
    except (SQLAlchemyError, OSError) as error:
        raise _store_error(error) from error


def _store_error(error: BaseException) -> StoreUnavailable:
    """Return the kind of StoreUnavailable that an error of the database or its driver means."""
    if isinstance(error, PoolTimeout):
        return StoreBusy(_BUSY)
    name = sqlite_name(error)
    # SQLite's names begin with the kind and may end with its cause, such as SQLITE_READONLY_DBMOVED.
    kind, text = _BY_CODE.get(sqlstate(error) or name) or _BY_CODE.get(
        "_".join(name.split("_")[:2]), (StoreUnavailable, _UNAVAILABLE)
    )
    return kind(text)
