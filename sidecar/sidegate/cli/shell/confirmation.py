"""One confirmation for every command that destroys what no other command brings back, or that stops a whole tenant."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

import click

from sidegate.cli.shell.failures import BAD_INPUT, DENIED, UNDECIDED, Failure
from sidegate.cli.shell.output import echo
from sidegate.cli.shell.session import Session

Losses = Callable[[Any], Iterable[str]]
"""Reads from the answer to a first call, which deleted nothing, what a second one will delete."""
_MOST_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Whether `--yes` was given; without it a person is asked on the terminal."""

    yes: bool

    def require(self, action: str, losses: Iterable[str], *, instead: str = "") -> None:
        """Return once `action`, such as "delete group `sales`", is confirmed; `losses` is read only to be shown.

        `instead` is another flag that confirms it.

        Raises:
            Failure: the answer is no, or there is no terminal to ask on.
        """
        if self.yes:
            return
        lines = _shown(losses)
        if not on_terminal():
            flags = f"--yes, or {instead} within ten minutes" if instead else "--yes"
            message = f"no terminal to ask on: add {flags}, to {action}; nothing was changed"
            raise Failure(message, exit_code=BAD_INPUT, details=lines)
        echo(f"This will {action}:" if lines else f"This will {action}.", err=True)
        for line in lines:
            echo(f"  {line}", err=True)
        if not _asked():
            raise Failure("not confirmed; nothing was changed", exit_code=BAD_INPUT)

    def delete_by_token(
        self, session: Session, call: Callable[[str], Any], *, token: str, action: str, losses: Losses
    ) -> Any:
        """Return the answer to a deletion of two calls, the second with the token of the first.

        `call` makes one call with a token, which may be empty; `losses` reads from the first answer what will be lost.

        Raises:
            Failure: it is not confirmed, or the tenant has changed since the token was made.
        """
        answer = call(token)
        if answer.deleted:
            return answer
        if not (self.yes or on_terminal()):
            session.show(answer)  # as JSON only, for a script that reads the token
        self.require(action, losses(answer), instead=f"--confirm {answer.confirmation_token}")
        answer = call(answer.confirmation_token)
        if not answer.deleted:
            raise Failure(f"could not {action}, which has changed meanwhile; try again", exit_code=UNDECIDED)
        return answer


def on_terminal() -> bool:
    """Return whether a person can be asked: standard input and standard error are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirmation_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--yes`, and pass it to the command as `confirmation`."""

    @wraps(command)
    def with_confirmation(*, yes: bool, **options: Any) -> None:
        command(confirmation=Confirmation(yes), **options)

    return click.option("--yes", is_flag=True, help="Do it without asking.")(with_confirmation)


def _shown(losses: Iterable[str]) -> tuple[str, ...]:
    """Return the lines to show; a line says what the actor may not see, which does not prevent the deletion."""
    lines: list[str] = []
    try:
        lines.extend(losses)
    except Failure as failure:
        if failure.exit_code != DENIED:
            raise
        lines.append(f"(not shown: {failure.message})")
    more = len(lines) - _MOST_LINES
    return (*lines[:_MOST_LINES], *([f"and {more} more"] if more > 0 else []))


def _asked() -> bool:
    try:
        return click.confirm("Go on?", err=True)
    except click.Abort:  # Ctrl-C, or the end of the input
        echo(err=True)
        return False
