"""Expected errors as messages with exit codes, without a traceback."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

import click

from sidegate.cli.shell.output import echo, echo_marked
from sidegate.errors import FaultyFiles, InvalidInput, ModelError, RowError, SidegateError, StartError

DENIED = 1
"""A check was denied where `--exit-code` asks, or tests failed."""
BAD_INPUT = 2
"""Usage, settings, files or a request are wrong, or the server can't start."""
UNDECIDED = 3
"""Could not decide: no answer, an error, facts too old."""

_BAD_INPUT = (FaultyFiles, InvalidInput, ModelError, RowError, StartError)


class Failure(click.ClickException):
    """A message of one or several lines for standard error, and the exit code that goes with it."""

    def __init__(self, message: str, *, exit_code: int, details: Iterable[str] = (), hint: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc] # click reads it from the instance
        self.details = tuple(details)
        self.hint = hint

    @classmethod
    def of(cls, error: SidegateError) -> Failure:
        """Return an error of ours as a failure."""
        code = BAD_INPUT if isinstance(error, _BAD_INPUT) else UNDECIDED
        if isinstance(error, FaultyFiles) and len(error.faults) > 1:
            return cls(f"{len(error.faults)} faults", exit_code=code, details=map(str, error.faults))
        return cls(str(error), exit_code=code)

    def with_hint(self, hint: str) -> Failure:
        """Return the same failure with a hint; an empty one changes nothing."""
        return Failure(self.message, exit_code=self.exit_code, details=self.details, hint=hint or self.hint)

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message, its details and its hint to standard error."""
        echo_marked("error", self.message, colour="red", file=file)
        for detail in self.details:
            echo(f"  {detail}", err=True, file=file)
        show_hint(self.hint, file=file)


def show_hint(hint: str, *, file: IO[Any] | None = None) -> None:
    """Print a hint to standard error; an empty one is not printed."""
    if hint:
        echo_marked("hint", hint, colour="yellow", file=file)
