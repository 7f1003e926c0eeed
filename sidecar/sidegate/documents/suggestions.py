"""The known name that a misspelt one is nearest to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def nearest(unknown: str, known: Iterable[str]) -> str:
    """Return the end of an error message about an unknown word: the nearest known one, or all of them."""
    names = sorted(known)
    near = get_close_matches(unknown, names, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"expected one of {listed(names)}" if names else "there is none"


def listed(names: Sequence[str]) -> str:
    """Return names as the end of a sentence lists them."""
    return ", ".join(f"`{name}`" for name in names)
