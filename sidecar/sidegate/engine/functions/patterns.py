"""Casbin's matching functions, as compiled patterns; each matches in time linear in the value's length."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import re2

from sidegate.engine.functions.globs import compile_glob
from sidegate.errors import EvaluationError

Test: TypeAlias = Callable[[str], bool]
MAX_VALUE_LENGTH: Final = 65_536

_PLAIN: Final = re.compile(r"[\w/-]*", re.ASCII)
_ALTERNATIVES: Final = re.compile(r"(?:[\w/-]+|\([\w/-]+\))(?:\|(?:[\w/-]+|\([\w/-]+\)))*", re.ASCII)
_NAMED_SEGMENT: Final = re.compile(r"(.*?):[^\/]+(.*?)")
_BRACED: Final = re.compile(r"(.*?){[^\/]+?}(.*?)")
_ANY_BRACED: Final = re.compile(r"{([^/]+)}")
_NAMED: Final = re.compile(r":[^/]+")
_CURLY: Final = re.compile(r"{[^/]+?}")
_CURLY_WIDE: Final = re.compile(r"{[^/]+}")


class Pattern:
    """A compiled pattern; two of the same text and function are equal."""

    __slots__ = ("__weakref__", "_function", "_test", "text")

    def __init__(self, function: str, text: str) -> None:
        self._function = function
        self.text = text
        self._test = COMPILERS[function](text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and (other.text, other._function) == (self.text, self._function)

    def __hash__(self) -> int:
        return hash(self.text)

    def __call__(self, value: object) -> bool:
        """Match a request value.

        Raises:
            EvaluationError: the value is not a text, or longer than 64 kB.
        """
        if not isinstance(value, str):
            raise EvaluationError(f"only texts match patterns, not a value of type `{type(value).__name__}`")
        if len(value) > MAX_VALUE_LENGTH:
            raise EvaluationError(f"a text of more than {MAX_VALUE_LENGTH} characters matches no pattern")
        return self._test(value)


def compile_pattern(function: str, text: str) -> Pattern:
    """Compile a pattern of `keyMatch`, `regexMatch`, `ipMatch`, ….

    Raises:
        ValueError: the pattern is wrong, or can't be matched in linear time.
    """
    return Pattern(function, text)


def key_match(value: object, pattern: object) -> bool:
    """Match as `keyMatch` does: equal, or equal up to the pattern's first `*`.

    Raises:
        EvaluationError: a value that is not a text.
    """
    if not isinstance(pattern, str):
        raise EvaluationError("keyMatch() needs a text as its pattern")
    star = pattern.find("*")
    if star < 0:
        return value == pattern
    if not isinstance(value, str):
        raise EvaluationError("keyMatch() needs a text where the pattern holds `*`")
    return value.startswith(pattern[:star])


def key_get(value: str, pattern: str) -> str:
    """Return the part of a value that matches the `*` of a `keyMatch` pattern, "" without a match."""
    star = pattern.find("*")
    return value[star:] if star >= 0 and len(value) > star and value.startswith(pattern[:star]) else ""


def key_get2(value: str, pattern: str, name: str) -> str:
    """Return the part of a value that matches `:name` in a `keyMatch2` pattern, "" without a match."""
    starred = pattern.replace("/*", "/.*")
    names = [found[1:] for found in _NAMED.findall(starred)]
    expression = _NAMED_SEGMENT.sub(r"\g<1>([^\/]+)\g<2>", starred, count=0)
    return _captured("(.*)" if expression == "*" else expression, value, names, name)


def key_get3(value: str, pattern: str, name: str) -> str:
    """Return the part of a value that matches `{name}` in a `keyMatch3` pattern, "" without a match."""
    starred = pattern.replace("/*", "/.*")
    names = [found[1:-1] for found in _CURLY.findall(starred)]
    expression = _BRACED.sub(r"\g<1>([^/]+?)\g<2>", starred, count=0)
    return _captured("(.*)" if expression == "*" else expression, value, names, name)


def linear(expression: str) -> Any:
    """Compile a regular expression that is matched in linear time.

    Raises:
        ValueError: Python or RE2 refuses the expression; RE2 has no look-around and no back-references.
    """
    try:
        re.compile(expression)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from None
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"{reason}; patterns are matched by RE2, in linear time") from None


def _key_match(pattern: str) -> Test:
    return partial(_key_match_text, pattern)


def _key_match_text(pattern: str, value: str) -> bool:
    return key_match(value, pattern)


def _key_match2(pattern: str) -> Test:
    expression = _NAMED_SEGMENT.sub(r"\g<1>[^\/]+\g<2>", pattern.replace("/*", "/.*"), count=0)
    return _whole("(.*)" if expression == "*" else expression)


def _key_match3(pattern: str) -> Test:
    return _whole(_BRACED.sub(r"\g<1>[^\/]+\g<2>", pattern.replace("/*", "/.*"), count=0))


def _key_match4(pattern: str) -> Test:
    starred = pattern.replace("/*", "/.*")
    names = _ANY_BRACED.findall(starred)
    compiled = linear("^" + _ANY_BRACED.sub("([^/]+)", starred) + "$")
    if compiled.groups != len(names):
        raise ValueError("groups beside {names} are not allowed in keyMatch4")

    def test(value: str) -> bool:
        found = compiled.match(value)
        if found is None:
            return False
        pairs = set(zip(names, found.groups(), strict=True))
        return len(pairs) == len(set(names))

    return test


def _key_match5(pattern: str) -> Test:
    whole = _whole(_CURLY_WIDE.sub(r"[^/]+", pattern.replace("/*", "/.*")))
    return lambda value: whole(value.partition("?")[0])


def _whole(expression: str) -> Test:
    """Match a whole value as pycasbin does, by `^…$`: in `^a|b$` each alternative has one of the anchors."""
    if _PLAIN.fullmatch(expression):
        return partial(str.__eq__, expression)
    simple = _segments(expression)
    return simple or _matcher(f"^{expression}$")


def _segments(expression: str) -> Test | None:
    """Return a fast test for paths of plain parts and whole `[^/]+` segments with at most a `.*` at the end."""
    rest = expression.endswith("/.*")
    parts = (expression[:-2] if rest else expression).replace(r"[^\/]+", "[^/]+").split("[^/]+")
    joined = all(part.startswith("/") for part in parts[1:] if part) and all(part.endswith("/") for part in parts[:-1])
    if not joined or not all(parts[:-1]) or not all(_PLAIN.fullmatch(part) for part in parts):
        return None
    # Each [^/]+ is between slashes, so there is one way to match, and Python's engine does not backtrack.
    source = "[^/]+".join(map(re.escape, parts)) + ("[^\\n]*" if rest else "")
    found = re.compile(source).fullmatch
    return lambda value: found(value) is not None


def _regex_match(pattern: str) -> Test:
    if _ALTERNATIVES.fullmatch(pattern):
        starts = tuple(pattern.replace("(", "").replace(")", "").split("|"))
        return lambda value: value.startswith(starts)
    return _matcher(pattern)


def _matcher(expression: str) -> Test:
    match = linear(expression).match
    return lambda value: match(value.encode("utf-8", "surrogatepass")) is not None


def _ip_match(pattern: str) -> Test:
    try:
        network = ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        raise ValueError("not an IP address or network") from None

    def test(value: str) -> bool:
        try:
            return ipaddress.ip_address(value) in network
        except ValueError:
            raise EvaluationError(f"`{value[:60]}` is not an IP address") from None

    return test


def _captured(expression: str, value: str, names: list[str], name: str) -> str:
    found = linear(f"^{expression}$").match(value)
    if found is None or name not in names:
        return ""
    groups = found.groups()
    position = names.index(name)
    return str(groups[position]) if position < len(groups) and groups[position] is not None else ""


COMPILERS: Final[Mapping[str, Callable[[str], Test]]] = MappingProxyType(
    {
        "keyMatch": _key_match,
        "keyMatch2": _key_match2,
        "keyMatch3": _key_match3,
        "keyMatch4": _key_match4,
        "keyMatch5": _key_match5,
        "regexMatch": _regex_match,
        "globMatch": compile_glob,
        "ipMatch": _ip_match,
    }
)
