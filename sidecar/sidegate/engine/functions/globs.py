r"""`globMatch`: shell patterns over paths, as wcmatch reads them, matched without backtracking.

`*`, `?` and `[…]` stay inside one segment and do not match a leading dot; `**` as a whole segment spans
any number of segments, none of them hidden; `{a,b}` are alternatives; `\` takes the next character as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import bracex

SegmentTest: TypeAlias = Callable[[str], bool]

_MAX_ALTERNATIVES: Final = 256
_STARS: Final = re.compile(r"\*{2,}")


def compile_glob(pattern: str) -> Callable[[str], bool]:
    """Return the test of a `globMatch` pattern.

    Raises:
        ValueError: more than 256 alternatives.
    """
    while pattern.startswith("*/"):
        pattern = pattern[1:]
    plain = "/".join(part if part == "**" else _STARS.sub("*", part) for part in pattern.split("/"))
    if plain.endswith("/**"):
        plain = "{" + plain[:-3] + "," + plain + "}"
    try:
        alternatives = list(bracex.iexpand(plain, keep_escapes=True, limit=_MAX_ALTERNATIVES)) or [""]
    except bracex.ExpansionLimitException:
        raise ValueError(f"more than {_MAX_ALTERNATIVES} alternatives in braces") from None
    paths = [_path(alternative) for alternative in alternatives]
    return lambda value: any(path.matches(value) for path in paths)


@dataclass(frozen=True, slots=True)
class _Path:
    """A pattern without braces: runs of segments, a `**` between each two of them."""

    rooted: bool
    folder: bool
    runs: tuple[tuple[SegmentTest, ...], ...]

    def matches(self, value: str) -> bool:
        """Match a whole path; repeated slashes count as one, and a slash at the end is optional."""
        spanning = len(self.runs) > 1
        if not value:
            return not (self.rooted or self.folder or any(self.runs))
        rooted, folder = value.startswith("/"), value.endswith("/")
        if self.folder and not folder:
            return False
        if rooted != self.rooted and not (spanning and not self.runs[0] and not self.rooted):
            return False
        segments = [segment for segment in value.split("/") if segment]
        if not spanning:
            return len(segments) == len(self.runs[0]) and _fits(self.runs[0], segments, 0)
        return self._spans(segments, folder=folder)

    def _spans(self, segments: Sequence[str], *, folder: bool) -> bool:
        """Match the first run at the start, the last at the end, and each run between them as early as it fits."""
        first, *middle, last = self.runs
        at, end = len(first), len(segments) - len(last)
        if at > end or not _fits(first, segments, 0) or not _fits(last, segments, end):
            return False
        for run in middle:
            while not (at + len(run) <= end and _fits(run, segments, at)):
                if at >= end or segments[at].startswith("."):
                    return False
                at += 1
            at += len(run)
        if not last and any(self.runs) and at == end and not folder:
            return False
        return not any(segment.startswith(".") for segment in segments[at:end])


def _fits(run: Sequence[SegmentTest], segments: Sequence[str], at: int) -> bool:
    return len(segments) >= at + len(run) and all(
        test(segment) for test, segment in zip(run, segments[at : at + len(run)], strict=True)
    )


def _path(pattern: str) -> _Path:
    parts = [part for part in pattern.split("/") if part]
    runs: list[list[SegmentTest]] = [[]]
    for position, part in enumerate(parts):
        if part != "**":
            runs[-1].append(_segment(part))
        elif position == 0 or parts[position - 1] != "**":
            runs.append([])
    folder = pattern.endswith("/") and bool(parts)
    return _Path(pattern.startswith("/"), folder, tuple(map(tuple, runs)))


def _segment(pattern: str) -> SegmentTest:
    """Split a segment at its stars into pieces of fixed length, each a small regular expression."""
    pieces, hides = _pieces(pattern)
    if len(pieces) == 1:
        whole = re.compile(pieces[0], re.DOTALL).fullmatch
        return lambda value: not (hides and value.startswith(".")) and whole(value) is not None
    first, *middle = (re.compile(piece, re.DOTALL) for piece in pieces[:-1])
    ending = re.compile(f"(?:{pieces[-1]})\\Z", re.DOTALL)
    least = _length(pieces[-1])

    def test(value: str) -> bool:
        if hides and value.startswith("."):
            return False
        found = first.match(value)
        for piece in middle:
            found = found and piece.search(value, found.end())
        end = len(value) - least
        return found is not None and found.end() <= end and ending.match(value, end) is not None

    return test


def _pieces(pattern: str) -> tuple[list[str], bool]:
    """Return the pieces between stars, and whether the segment starts with a wildcard, which matches no dot file."""
    pieces = [""]
    at = 0
    while at < len(pattern):
        mark = pattern[at]
        at += 1
        if mark == "*":
            pieces.append("")
        elif mark == "?":
            pieces[-1] += "."
        elif mark == "[" and (found := _class(pattern, at)):
            piece, at = found
            pieces[-1] += piece
        else:
            if mark == "\\" and at < len(pattern):
                mark = pattern[at]
                at += 1
            pieces[-1] += re.escape(mark)
    hides = pattern[0] in "*?" or (pattern[0] == "[" and not pieces[0].startswith(r"\["))
    return pieces, hides


_CLASS: Final = re.compile(r"(?P<negation>[!^]?)(?P<body>\]?(?:\\.|[^\]\\])*)\]", re.DOTALL)
_MEMBER: Final = re.compile(r"(?P<low>\\.|.)(?:-(?P<high>\\.|[^\\]))?", re.DOTALL)


def _class(pattern: str, at: int) -> tuple[str, int] | None:
    """Return the expression of a `[…]` class and where it ends, None where it is not closed."""
    found = _CLASS.match(pattern, at)
    if found is None or not found["body"]:
        return None
    members = []
    for member in _MEMBER.finditer(found["body"]):
        low = member["low"][-1]
        high = member["high"][-1] if member["high"] else low
        if low <= high:
            members.append(f"{re.escape(low)}-{re.escape(high)}")
    negation = "^" if found["negation"] else ""
    if not members:
        return ("." if negation else r"(?!)."), found.end()
    return f"[{negation}{''.join(members)}]", found.end()


def _length(piece: str) -> int:
    """Return the number of characters that a piece of fixed length matches."""
    classes = re.sub(r"\[\^?(?:\\.|[^\]\\])+\]|\(\?!\)\.", ".", piece)
    return len(re.sub(r"\\.", ".", classes, flags=re.DOTALL))
