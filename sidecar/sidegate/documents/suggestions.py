"""The known name that a misspelt one is nearest to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches

_TOO_MANY_TO_COMPARE = 1000


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


def near(name: str, known: Collection[str], otherwise: str) -> str:
    """Return a suggestion of the known name that is nearest, else `otherwise`.

    A very large set of names is not compared, since each error would cost a comparison with all of them.
    """
    close = get_close_matches(name, known, n=1) if len(known) <= _TOO_MANY_TO_COMPARE else []
    return f"did you mean `{close[0]}`?" if close else otherwise


def one_of(names: Collection[str]) -> str:
    """Return the accepted names, as the end of a message."""
    if not names:
        return "there is none"
    return "expected " + ("one of " if len(names) > 1 else "") + ", ".join(f"`{name}`" for name in sorted(names))
