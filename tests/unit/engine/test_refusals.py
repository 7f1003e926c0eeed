"""Models, rows and requests that are refused, where Casbin would accept them."""

import re

import pytest

from sidegate.engine import ENGINES, EnforceContext, compile_program
from sidegate.errors import EvaluationError, ModelError, RequestError, RowError

MODEL = """[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act, eft
p2 = rule, eft
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act
m2 = eval(p2.rule)
"""
ROW = ("p", "alice", "data", "read", "allow")

pytestmark = pytest.mark.parametrize("engine", ENGINES)


@pytest.mark.parametrize(
    ("rows", "message", "ordinal"),
    [
        ([], "no policy row", -1),
        ([("g", "alice", "admin")], "no policy row", -1),
        ([ROW, ("p", "alice", "data", "read", "Deny")], "`Deny`", 1),
        ([ROW, ("p", "alice", "data", "read", "")], "effect", 1),
        ([ROW, ("p", "alice", "data", "read")], "3 values; `p` is defined with 4", 1),
        ([ROW, ("g", "alice", "admin", "domain")], "3 values; `g` is defined with 2", 1),
        ([ROW, ("p3", "alice")], "unknown section", 1),
        ([ROW, ("g2", "alice", "admin")], "unknown section", 1),
        ([ROW, ()], "unknown section", 1),
        ([ROW, ("p", "alice", "data", 1, "allow")], "no text", 1),
        ([ROW, ("p2", "False) or True or (True", "allow")], "condition `False", 1),
        ([ROW, ("p2", "r.sub.delete()", "allow")], "methods can't be called", 1),
        ([ROW, ("p2", "r.sub.__class__", "allow")], "private", 1),
        ([ROW, ("p2", "", "allow")], "expected a value", 1),
        ([ROW, ("p2", "open('x')", "allow")], "unknown function `open`", 1),
        ([ROW, ("p2", "eval(p2.rule)", "allow")], "eval", 1),
        ([ROW, ("p2", "p.sub == 'x'", "allow")], "`p` is not defined here", 1),
        ([ROW, ("p2", "r.sub in 'alice'", "allow")], "substring", 1),
        ([ROW, ("p2", "r.sub = 'alice'", "allow")], "unexpected `= 'alice'`; write `==` to compare", 1),
        ([ROW, ("p2", "(" * 60 + "True" + ")" * 60, "allow")], "nested deeper", 1),
        ([ROW, ("p2", "'" + "x" * 4095 + "'", "allow")], "characters", 1),
    ],
)
def test_wrong_rows_are_refused(engine, rows, message, ordinal):
    """A wrong row does not compile; the error says which row and what would be right."""
    with pytest.raises(RowError, match="(?s).*" + re.escape(message)) as error:
        compile_program(MODEL, rows, engine=engine)
    assert error.value.ordinal == ordinal


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("m = g(r.sub, p.sub)", "m = g(r.sub, p.subject)", "`p.subject` is not defined", 11),
        ("m = g(r.sub, p.sub)", "m = g(r.sub)", r"g\(\) takes 2 arguments, not 1", 11),
        ("m = g(r.sub, p.sub)", "m = g3(r.sub, p.sub)", "unknown function `g3`", 11),
        ("m = g(r.sub, p.sub)", "m = maybe", "unknown name `maybe`", 11),
        ("m = g(r.sub, p.sub)", "m = r.sub == null", "unknown name `null`; write `None`", 11),
        ("m = g(r.sub, p.sub)", "m = TRUE", "unknown name `TRUE`; write `True`", 11),
        ("m = g(r.sub, p.sub)", "m = r.sub IN p.sub", "substring", 11),
        ("m = g(r.sub, p.sub)", "m = r.sub in ('alice')", "substring", 11),
        ("m = g(r.sub, p.sub)", "m = r.sub in p.sub", "substring", 11),
        ("m = g(r.sub, p.sub)", "m = p2.eft == 'allow'", "reads both `p` and `p2`.*write `p2.act` for `p.act`", 11),
        ("m = g(r.sub, p.sub)", "m = (g(r.sub, p.sub)", r"expected `,` or `\)`", 11),
        ("m = g(r.sub, p.sub)", "m = " + "!" * 60 + "True", "nested deeper", 11),
        ("m = g(r.sub, p.sub)", "m = '" + "x" * 20_000 + "'", "at most 16384", 11),
        ("e = some(where (p.eft == allow)) && !some", "e = some(where (p.eft == allow)) || !some", "unknown effect", 9),
        ("g = _, _", "g = _", "a role is defined as", 7),
        ("m = g", "m = True && \\ # why\n g", "on a line of its own", 11),
        ("m = g", "m = True && # why \\\n g", "on a line of its own", 11),
        ("m = g", "m = True && ; why \\\n g", "on a line of its own", 11),
        ("m = g", "m = True && \\\n # why \\\n g", "on a line of its own", 12),
        ("r = sub, obj, act", "r = # sub, obj, act", "expected `key = value`", 2),
        ("m2 = ", "m3 = ", "lacks `m2`", 0),
        ("m2 = ", "m = ", "defined twice", 12),
        ("m2 = ", "n = ", "is not `m`", 12),
        ("[matchers]", "[matcher]", "unknown section", 10),
        ("p = sub, obj, act, eft", "p = sub, obj, act, act", "names a field twice", 4),
        ("[role_definition]", "some words", "expected `key = value`", 6),
    ],
)
def test_wrong_models_are_refused(engine, old, new, message, line):
    """A wrong model does not compile; the error says where and what would be right."""
    with pytest.raises(ModelError, match=message) as error:
        compile_program(MODEL.replace(old, new), [ROW], engine=engine)
    assert error.value.line == line


def test_deny_override_without_an_effect_field_is_refused(engine):
    """`!some(where (p.eft == deny))` over rows that can't deny would allow everything."""
    text = MODEL.replace("some(where (p.eft == allow)) && ", "").replace("act, eft", "act")
    with pytest.raises(ModelError, match="allows everything"):
        compile_program(text, [ROW[:4]], engine=engine)


def test_an_unknown_engine_is_refused(engine):
    """The error lists the known engines."""
    with pytest.raises(ModelError, match=f"there is .*{engine}"):
        compile_program(MODEL, [ROW], engine="fast")


def test_requests_of_the_wrong_size_are_refused(engine):
    """A request has as many values as its definition."""
    with pytest.raises(RequestError, match="2 values; `r` is defined with 3"):
        compile_program(MODEL, [ROW], engine=engine).evaluate(("alice", "data"))


def test_a_section_without_rows_is_never_evaluated(engine):
    """Casbin would evaluate the matcher on blank fields."""
    program = compile_program(MODEL, [ROW], engine=engine)
    with pytest.raises(EvaluationError, match="no `p2` row"):
        program.evaluate((EnforceContext("r", "p2", "e", "m2"), "alice", "data", "read"))


def test_removing_the_last_policy_row_is_refused(engine):
    """A program can't become empty, and only rows that it has can be removed."""
    program = compile_program(MODEL, [ROW, ("g", "alice", "admin")], engine=engine)
    with pytest.raises(RowError, match="no policy row"):
        program.with_rows(removed=[ROW])
    with pytest.raises(RowError, match="is not there"):
        program.with_rows(removed=[("g", "alice", "nobody")])
