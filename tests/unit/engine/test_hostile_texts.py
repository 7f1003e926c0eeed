"""A fuzzer of matchers, conditions and lines: each text gives an answer or an EngineError, and no side effect."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sidegate.engine import ENGINES, compile_program, read_rows
from sidegate.engine.casbin.model import read_definition
from sidegate.errors import EngineError, FaultyFiles

MODEL = """[request_definition]
r = sub, obj
[policy_definition]
p = sub, cond
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = {}
"""
WORDS = [
    *["r.sub", "p.sub", "r.obj.name", "p.cond", "r.sub.__class__", "r.obj.touch()", "r.obj.secret", "r.obj.hidden"],
    *[
        "(",
        ")",
        "[",
        "]",
        ",",
        ".",
        "&&",
        "||",
        "!",
        "==",
        "!=",
        "<",
        "in",
        "not in",
        "+",
        "-",
        "*",
        "**",
        "/",
        "//",
        "%",
    ],
    *[
        "'x'",
        '"y"',
        "'",
        "1",
        "0.5",
        "1e999",
        "0x10",
        "007",
        "True",
        "None",
        "false",
        "if",
        "else",
        "and",
        "lambda",
        "for",
    ],
    *[
        "keyMatch(",
        "regexMatch(r.sub, '(a+)+$')",
        "g(r.sub, p.sub)",
        "eval(p.cond)",
        "eval(",
        "__import__('os')",
        "open(",
    ],
    *["#", ";", "\\", "\n", "\x00", "é", "{", "}", "@", ":=", "f'{r}'", "b'x'", "list(r)", "p2.x", "r_sub", "9" * 50],
]
settings.register_profile("texts", max_examples=300, deadline=None, derandomize=True, database=None)
fuzzed = settings(settings.get_profile("texts"))


class Guarded:
    """Counts each use that a condition must not be able to make of it."""

    touched = 0
    secret = "class attribute"

    def __init__(self):
        self.name = "x"
        self._private = "y"

    def touch(self):
        Guarded.touched += 1

    @property
    def hidden(self):
        Guarded.touched += 1

    def __call__(self, *_, **__):
        Guarded.touched += 1


def attempt(matcher, condition):
    try:
        program = compile_program(MODEL.format(matcher), [("p", "alice", condition), ("g", "bob", "alice")])
    except EngineError:
        return
    for sub in ("alice", "a" * 60 + "b", 7):
        try:
            answer = program.evaluate((sub, Guarded()))
        except EngineError:
            continue
        assert answer.allowed in (True, False)


def texts(seed, count):
    rng = random.Random(seed)
    for _ in range(count):
        words = [rng.choice(WORDS) for _ in range(rng.randint(1, 9))]
        yield rng.choice([" ", ""]).join(words)


@fuzzed
@given(seed=st.integers(0, 2**64))
def test_no_condition_has_side_effects(seed):
    """Generated matchers and conditions compile or are refused, decide or fail, and call no code of a value."""
    for text in texts(seed, 12):
        attempt(text, "True")
        attempt("r.sub == p.sub && eval(p.cond)", text)
    assert Guarded.touched == 0


@fuzzed
@given(text=st.text(max_size=60))
@example("\ufeff")
@example("p, \ud800")
def test_any_text_is_read_or_refused(text):
    """Models, matchers, conditions and policy lines of any characters give a result or an EngineError."""
    attempt(text, text)
    for read in (read_definition, lambda given: read_rows(given, "policy.csv")):
        try:
            read(text)
        except (EngineError, FaultyFiles):
            continue


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000,
        "!" * 10_000 + "True",
        "-" * 3_000 + "1 == 1",
        "r.sub" + ".x" * 5_000,
        "+".join(["1"] * 3_000) + " == 1",
        "1 " + "if True else 1 " * 500,
        "[" * 200 + "]" * 200 + " == 1",
        "g(" * 200,
        "9" * 5_000 + " == 1",
        "'" + "a" * 15_000,
    ],
)
def test_deep_and_long_texts_are_refused(engine, text):
    """Nesting and length have limits, so that no text exhausts the stack."""
    with pytest.raises(EngineError):
        compile_program(MODEL.format(text), [("p", "alice", "True")], engine=engine)


def test_wide_texts_are_fine():
    """A matcher of a thousand alternatives compiles; width costs no depth."""
    matcher = " || ".join(f"r.sub == 'user{number}'" for number in range(500))
    program = compile_program(MODEL.format(matcher), [("p", "alice", "True")])
    assert program.evaluate(("user499", None)).allowed
    assert not program.evaluate(("user500", None)).allowed
