"""Says what of a pack failed when pycasbin could not evaluate a request."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from traceback import walk_tb

from sidegate.errors import EvaluationError


def located(
    error: Exception, *, originals: Mapping[int, tuple[str, ...]], request: Mapping[str, Sequence[str]], section: str
) -> EvaluationError:
    """Return pycasbin's error with the row that was evaluated, and the properties that its failing part reads.

    `originals` are the rows by the identity of pycasbin's own, `request` the request definitions, and `section` the
    one that was evaluated. Row and part are read from the frames of pycasbin and of the evaluator of its expressions.
    """
    row: tuple[str, ...] = ()
    failing: ast.AST | None = None
    for frame, _ in walk_tb(error.__traceback__):
        row = row or originals.get(id(frame.f_locals.get("pvals")), ())
        node = frame.f_locals.get("node")
        failing = node if isinstance(node, ast.AST) else failing
    positions = {f"{section}_{name}": position for position, name in enumerate(request[section])}
    properties = () if failing is None else tuple(sorted({*_properties_read(failing, positions)}))
    text = str(error) if isinstance(error, EvaluationError) else f"{type(error).__name__}: {error}"
    return EvaluationError(text, row=row, properties=properties)


def _properties_read(node: ast.AST, positions: Mapping[str, int]) -> Iterator[tuple[int, str]]:
    """Yield the position of the value of each property of the request that a node reads, and its name."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id in positions:
            yield positions[part.value.id], part.attr
