"""The checks of rows; both engines refuse the same rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sidegate.engine.casbin.model import Definition
from sidegate.errors import RowError
from sidegate.model.rules import Row

EFFECTS: Final = frozenset({"allow", "deny"})
MAX_ROW_LENGTH: Final = 16_384


class RowRules:
    """The checks that one model makes on its rows."""

    def __init__(self, definition: Definition) -> None:
        self._widths = {section: len(names) for section, names in definition.policies.items()}
        self._widths |= {section: role.width for section, role in definition.roles.items()}
        self._effects = {
            section: names.index("eft") + 1 for section, names in definition.policies.items() if "eft" in names
        }

    def check(self, row: Row, ordinal: int) -> Row:
        """Return the row if it is valid.

        Raises:
            RowError: unknown section, wrong number of values, a value that is not a text, or an unknown effect.
        """
        width = self._widths.get(row[0] if row else "")
        if width is None:
            known = "`, `".join(self._widths)
            raise RowError(f"unknown section in row {quoted(row)}; the model has `{known}`", ordinal=ordinal)
        if len(row) != width + 1:
            message = f"row {quoted(row)} has {len(row) - 1} values; `{row[0]}` is defined with {width}"
            raise RowError(message, ordinal=ordinal)
        try:
            length = len("".join(row))
        except TypeError:
            raise RowError(f"row {quoted(row)} holds a value that is no text", ordinal=ordinal) from None
        if length > MAX_ROW_LENGTH:
            raise RowError(f"row {quoted(row)} has {length} characters; at most {MAX_ROW_LENGTH}", ordinal=ordinal)
        effect = self._effects.get(row[0])
        if effect is not None and row[effect] not in EFFECTS:
            message = f"row {quoted(row)} has the effect `{row[effect]}`; it must be `allow` or `deny`"
            raise RowError(message, ordinal=ordinal)
        return row


def checked_rows(definition: Definition, rows: Iterable[Row]) -> list[Row]:
    """Return the rows of a program as a list.

    Raises:
        RowError: a row is wrong, or there is no policy row.
    """
    rules = RowRules(definition)
    found = [rules.check(tuple(row), ordinal) for ordinal, row in enumerate(rows)]
    require_policy(row[0] in definition.policies for row in found)
    return found


def require_policy(are_policies: Iterable[bool]) -> None:
    """Refuse a program without policy rows: Casbin would evaluate the matcher on blank fields.

    Raises:
        RowError: none of the rows is a policy row.
    """
    if not any(are_policies):
        raise RowError("there is no policy row; an empty policy is refused, since Casbin could allow everything")


def rows_without(rows: Iterable[Row], removed: Iterable[Row]) -> list[Row]:
    """Return the rows without the first occurrence of each removed one.

    Raises:
        RowError: a removed row is not there.
    """
    left = list(rows)
    for row in removed:
        try:
            left.remove(tuple(row))
        except ValueError:
            raise RowError(f"row {quoted(row)} can't be removed; it is not there") from None
    return left


def quoted(row: Row) -> str:
    """Return a row as an error message quotes it."""
    text = ", ".join(map(str, row))
    return f"`{text[:160]}`"
