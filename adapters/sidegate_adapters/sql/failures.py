"""What the database and its driver raise becomes ours here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sidegate.errors import InvalidInput, StoreUnavailable, Violation
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

_UNFIT = Violation("value", "what the store keeps must be finite JSON, numbers of 64 bits and valid unicode")


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
        # Beside the driver's own errors, this is a value that had no form to be sent in, such as NaN as JSON.
        if isinstance(error, DBAPIError):
            raise StoreUnavailable("the store does not answer") from error
        raise InvalidInput(_UNFIT) from error
    except (SQLAlchemyError, OSError) as error:
        raise StoreUnavailable("the store does not answer") from error
