"""The built-in matching functions: Casbin's answers, in time linear in the value."""

import random

import pytest
from casbin import util
from hypothesis import given, settings
from hypothesis import strategies as st

from sidegate.engine.functions.globs import compile_glob
from sidegate.engine.functions.patterns import compile_pattern, key_get, key_get2, key_get3
from sidegate.errors import EvaluationError
from support.packs.vectors import FOLDER, function_calls

GETTERS = {"keyGet": key_get, "keyGet2": key_get2, "keyGet3": key_get3}
STOCK = {
    "keyMatch": util.key_match,
    "keyMatch2": util.key_match2,
    "keyMatch3": util.key_match3,
    "keyMatch4": util.key_match4,
    "keyMatch5": util.key_match5,
    "regexMatch": util.regex_match,
}
PATHS = ["a", "b", "/", "/", "/*", "*", ":x", ":yy", "{x}", "{yy}", "-", "/:id/", "/{id}/", "?", "|", "(a)", "[ab]"]
GLOBS = ["a", "b", "/", "*", "?", "**", ".", "[ab]", "[!a]", "/**", "**/", "{a,b}", "{a,b/c}", "\\*", "[a-c]", "[", "]"]
VALUES = ["a", "b", "/", "/", ".", "-", "?", "*", "ab", "/a/b"]


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded calls at {FOLDER}")
def test_every_recorded_call_agrees():
    """Each recorded call of pycasbin's own tests has the recorded result."""
    differing = [
        (function, arguments, wanted)
        for function, arguments, wanted in function_calls()
        if wanted
        != (
            GETTERS[function](*arguments)
            if function in GETTERS
            else compile_pattern(function, arguments[1])(arguments[0])
        )
    ]
    assert not differing


def text_of(rng, atoms, most):
    return "".join(rng.choice(atoms) for _ in range(rng.randint(0, most)))


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**64))
def test_patterns_match_as_in_casbin(seed):
    """Over generated paths each pattern that we take answers as in Casbin, and Casbin takes it too."""
    rng = random.Random(seed)
    for _ in range(100):
        function, pattern, value = rng.choice(list(STOCK)), text_of(rng, PATHS, 5), text_of(rng, VALUES, 5)
        try:
            found = compile_pattern(function, pattern)(value)
        except ValueError:
            continue
        assert found == STOCK[function](value, pattern), (function, pattern, value)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**64))
def test_globs_match_as_in_casbin(seed):
    """Segments, dot files, `**`, classes, braces and slashes, as the glob library behind Casbin reads them."""
    rng = random.Random(seed)
    for _ in range(100):
        pattern, value = text_of(rng, GLOBS, 6), text_of(rng, VALUES, 6)
        assert compile_glob(pattern)(value) == util.glob_match(value, pattern), (pattern, value)


HOSTILE = [
    ("keyMatch2", "/*/*/*/*/*/*/end", "/a" * 20_000),
    ("keyMatch2", "/:a/:b/:c/*/:d/*/end", "/a" * 20_000),
    ("keyMatch3", "/{a}{b}{c}{d}/end", "/" + "a" * 40_000),
    ("keyMatch4", "/{a}/*/{a}/*/{b}/end", "/a" * 20_000),
    ("keyMatch5", "/*/*/*/*/*/*/end", "/a" * 20_000),
    ("regexMatch", "(a+)+$b|(a|aa)*c|(.*)*d", "a" * 40_000),
    ("regexMatch", "(a?){40}a{40}", "a" * 39),
    ("globMatch", "/*a*a*a*a*a*a*a*b", "/" + "a" * 40_000),
    ("globMatch", "/**/a/**/a/**/a/**/a/**/b", "/a" * 20_000),
]


@pytest.mark.parametrize(("function", "pattern", "value"), HOSTILE)
def test_hostile_values_are_matched_in_linear_time(function, pattern, value):
    """Patterns that take a backtracking engine minutes or years on these values are matched immediately."""
    assert not compile_pattern(function, pattern)(value)


@pytest.mark.parametrize(
    ("function", "pattern"),
    [
        ("regexMatch", "(a"),
        ("regexMatch", "(?=a)b"),
        ("regexMatch", r"(a)\1"),
        ("regexMatch", "a{2000}"),
        ("keyMatch2", "/(a"),
        ("keyMatch4", "/{a}(b)"),
        ("ipMatch", "300.1.1.1"),
        ("globMatch", "{a,b}" * 10),
    ],
)
def test_patterns_that_would_fail_at_each_request_are_refused(function, pattern):
    """They are wrong, or can't be matched in linear time; the rule that holds one does not load."""
    with pytest.raises(ValueError, match=r"\w"):
        compile_pattern(function, pattern)


def test_a_line_break_at_the_end_is_part_of_the_value():
    """Casbin's `$` also matches before a line break, so that `/data` with one equals `/data`; ours does not."""
    for function in ("keyMatch2", "keyMatch3", "keyMatch4", "keyMatch5"):
        for pattern, value in (("/data", "/data\n"), ("/a.c", "/abc\n")):
            assert STOCK[function](value, pattern)
            assert not compile_pattern(function, pattern)(value)


def test_regular_expressions_are_read_as_re2_reads_them():
    """A digit is an ASCII one, where Python takes any script's; a match at the start is enough, as in Casbin."""
    assert STOCK["regexMatch"]("\u0663", r"\d")
    assert not compile_pattern("regexMatch", r"\d")("\u0663")
    assert compile_pattern("regexMatch", r"[a-c]\d+|x.")("b12 and more")
    assert compile_pattern("regexMatch", r"\w\w$")("xy")


def test_only_texts_match():
    """Numbers and over-long texts are errors, as they are in Casbin."""
    for value in (1, None, ["a"], "a" * 70_000):
        with pytest.raises(EvaluationError):
            compile_pattern("keyMatch2", "/a")(value)
