"""Says what of a pack failed when a request could not be evaluated."""

from __future__ import annotations

from traceback import walk_tb

from sidegate.engine.language.compiler import FILE, PROPERTIES
from sidegate.errors import EvaluationError


def located(error: Exception) -> EvaluationError:
    """Return an evaluation's error with the row that was evaluated, and the properties that its failing part reads.

    Both are read from the traceback, so that an evaluation that succeeds pays nothing for it.
    """
    row: tuple[str, ...] = ()
    properties: tuple[tuple[int, str], ...] = ()
    for frame, line in walk_tb(error.__traceback__):
        if frame.f_code.co_filename == FILE:
            row = row or tuple(frame.f_locals.get("p", ()))
            properties = frame.f_globals[PROPERTIES].get(line, ())
    text = str(error) if isinstance(error, EvaluationError) else f"{type(error).__name__}: {error}"
    return EvaluationError(text, row=row, properties=properties)
