"""What matchers and conditions mean, in every engine."""

from enum import StrEnum
from types import SimpleNamespace

import pytest

from sidegate.engine import ENGINES, EnforceContext, compile_program
from sidegate.errors import EvaluationError, ModelError, RequestError, RowError

pytestmark = pytest.mark.parametrize("engine", ENGINES)


def program(engine, matcher, rows=(("p", "alice", "data", "True"),), **options):
    text = (
        "[request_definition]\nr = sub, obj, env\n[policy_definition]\np = sub, obj, cond\n"
        f"[role_definition]\ng = _, _\n[policy_effect]\ne = some(where (p.eft == allow))\n[matchers]\nm = {matcher}\n"
    )
    return compile_program(text, rows, engine=engine, **options)


def asked(engine, matcher, sub="alice", obj="data", **env):
    return program(engine, matcher).evaluate((sub, obj, env)).allowed


@pytest.mark.parametrize(
    ("matcher", "sub"),
    [
        ("r.sub == 'a||b && !c'", "a||b && !c"),
        ('r.sub == "r.sub # p.obj" # a comment', "r.sub # p.obj"),
        (r"r.sub == 'it\'s \\ \u00e9'", "it's \\ é"),
        ("r.sub == '\U0001f511 & !\u00e9\u20ac|'", "\U0001f511 & !\u00e9\u20ac|"),
        ("r.sub=='x'&&p.obj=='data'||r.sub=='y'", "y"),
        ("!r.sub == 'bob' && !(r.sub in ('carol', 'dave'))", "alice"),
        ("r.sub not in ['bob'] and not r.sub == 'carol' or False", "alice"),
        ("1 < r.env.n <= 3 && r.env.n * 2 + 1 == 5 && r.env.n // 2 % 2 == 1 && -r.env.n == -2.0", "alice"),
        ("r.env.box.list[1] == 'y' && r.env['box'].list[0] == 'x'", "alice"),
        ("(r.env.n == 2 if r.sub == 'alice' else r.env.missing == 1)", "alice"),
        ("r.sub in ('alice',)", "alice"),
        ("r.sub + '!' == 'alice!'", "alice"),
        ("r.env.one", "alice"),
        ("keyGet(r.sub, 'al*') == 'ice' && keyGet2('/u/7', '/u/:id', 'id') == '7'", "alice"),
        ("keyGet3('/u/7/x', '/u/{id}/x', 'id') == '7' && timeMatch('_', '_')", "alice"),
        ("keyMatch2('/u/7', r.env.pattern) && ipMatch('10.0.0.7', '10.0.0.0/8')", "alice"),
    ],
)
def test_matchers_that_hold(engine, matcher, sub):
    """Literals are not rewritten, operators have Casbin's meaning, nested properties are read."""
    assert asked(engine, matcher, sub, n=2, box={"list": ["x", "y"]}, one=1.0, pattern="/u/:id")


@pytest.mark.parametrize(
    "matcher",
    [
        "r.env.n",
        "r.sub == 'alice' && r.sub",
        "r.sub == p.sub && 1",
        "r.env.missing == 1",
        "r.sub < 1",
        "r.sub in r.env.text",
        "r.env.list[9] == 1",
        "r.env.n / 0 == 1",
        "r.sub * 3 == 'x'",
        "r.sub % 2 == 0",
        "r.env.huge * r.env.huge * r.env.huge > 1",
        "ipMatch(r.sub, '10.0.0.0/8')",
        "keyMatch2(r.sub, r.env.broken)",
        "regexMatch(r.env.n, 'a.c')",
        "timeMatch(r.sub, '_')",
        "fails(r.sub)",
    ],
)
def test_matchers_that_fail(engine, matcher):
    """A value that is not a bool, a missing property or a wrong operand is an error, never an allow."""
    compiled = program(engine, matcher, functions={"fails": lambda _: 1 // 0})
    env = {"n": 2, "text": "alice", "list": [], "huge": 1 << 4000, "broken": "/(", "one": 1.0}
    with pytest.raises(EvaluationError):
        compiled.evaluate(("alice", "data", env))


class Name(StrEnum):
    ALICE = "alice"


def test_only_texts_equal_fields(engine):
    """A text, also a member of a StrEnum, equals a field with the same characters; no other value does."""
    rows = [("p", "alice", "1", "True"), ("p", "True", "None", "True")]
    compiled = program(engine, "r.sub == p.sub && (r.obj == p.obj || p.obj == 'None')", rows)
    assert compiled.evaluate((Name.ALICE, "1", {})).allowed
    for sub, obj in (("alice", 1), (True, "None"), (None, "None"), (["alice"], "1"), ({}, "1"), (b"alice", "1")):
        assert not compiled.evaluate((sub, obj, {})).allowed


def test_a_condition_is_parsed_alone(engine):
    """A rule's condition is one operand, however it is written."""
    rows = [("p", "alice", "data", "False || r.sub == 'bob'"), ("p", "alice", "data", "r.env.age > 18 # grown up")]
    compiled = program(engine, "r.sub == p.sub && eval(p.cond) && r.obj == p.obj", rows)
    assert compiled.evaluate(("alice", "data", {"age": 20})).rule == rows[1][1:]
    assert not compiled.evaluate(("alice", "data", {"age": 2})).allowed
    assert not compiled.evaluate(("bob", "data", {"age": 20})).allowed


def test_conditions_that_differ_in_literals_only_stay_apart(engine):
    """Each rule has its own literals, in choices, lists, patterns, comments and escapes."""
    shapes = [
        "(r.env.n == {0} if r.sub == 'u{1}' else r.env.n == {2})",
        "r.env.n in ({0}, {2}) && r.sub == 'u{1}' # not {2} 'u{0}'",
        r"r.sub == 'u\x3{1}' && r.env.n == {0}.0",
        "regexMatch(r.sub, 'u{1}$') && r.env.n == {0}",
        'keyMatch(r.sub, "u{1}*") && r.env.n * 2 == {0} * 2',
    ]
    for shape in shapes:
        rows = [("p", "", "", shape.format(n, u, n + 5)) for n in range(4) for u in range(4)]
        compiled = program(engine, "eval(p.cond)", rows)
        for n in range(4):
            for u in range(4):
                answer = compiled.evaluate((f"u{u}", "", {"n": n}))
                assert answer.rule == ("", "", shape.format(n, u, n + 5))


def test_the_last_rule_that_matched_explains(engine):
    """Up to the rule that decides, as Casbin explains; None where no rule matched."""
    rows = [("p", "alice", "data", str(flag)) for flag in (False, True, True)]
    assert program(engine, "r.sub == p.sub", rows).evaluate(("alice", "x", {})).rule == rows[0][1:]
    assert program(engine, "eval(p.cond)", rows).evaluate(("alice", "x", {})).rule == rows[1][1:]
    assert program(engine, "r.sub == p.obj", rows).evaluate(("alice", "x", {})).rule is None


@pytest.mark.parametrize("matcher", ["r.sub in ('alice',) == True", "1 < 2 in (2, 3)", "1 in (1,) in ((True,),)"])
def test_membership_in_a_chain_is_refused(engine, matcher):
    """A chain of comparisons with `in` is easily misread."""
    with pytest.raises(ModelError, match="chain of comparisons"):
        program(engine, matcher)


def test_the_failure_of_a_rule_that_cannot_match_is_ignored(engine):
    """A rule with a missing property fails the requests that it could match; other requests are decided."""
    rows = [("p", "alice", "data", "r.env.missing == 1"), ("p", "bob", "data", "True")]
    compiled = program(engine, "r.sub == p.sub && eval(p.cond)", rows)
    assert compiled.evaluate(("bob", "data", {})).allowed
    with pytest.raises(EvaluationError):
        compiled.evaluate(("alice", "data", {}))


def test_a_failing_rule_fails_the_evaluation(engine):
    """A rule that fails before the one that would allow makes the whole evaluation fail."""
    rows = [("p", "alice", "data", "r.env.missing == 1"), ("p", "alice", "data", "True")]
    compiled = program(engine, "r.sub == p.sub && eval(p.cond)", rows)
    with pytest.raises(EvaluationError):
        compiled.evaluate(("alice", "data", {}))


def test_registered_functions_get_the_values_of_the_request(engine):
    """They receive the values of the request, and may replace a built-in function."""
    seen = []
    functions = {"known": lambda value, name: seen.append((value, name)) or True, "keyMatch": lambda *_: False}
    box = SimpleNamespace(age=3)
    compiled = program(engine, "known(r.env, p.sub)", functions=functions)
    assert compiled.evaluate(("alice", "data", box)).allowed
    assert seen == [(box, "alice")]
    assert not program(engine, "keyMatch(r.sub, p.sub)", functions=functions).evaluate(("alice", "data", box)).allowed


CONTEXTS = """[request_definition]
r = sub, obj
r2 = age
[policy_definition]
p = sub, obj
p2 = rule, eft
[policy_effect]
e = some(where (p.eft == allow))
e2 = !some(where (p.eft == deny))
[matchers]
m = r.sub == p.sub && r.obj == p.obj
m2 = eval(p2.rule)
"""


def test_a_context_chooses_the_sections(engine):
    """Request, policy, effect and matcher by number; `e2` counts too, which pycasbin ignores."""
    rows = [("p", "alice", "data"), ("p2", "r2.age < 18", "deny")]
    compiled = compile_program(CONTEXTS, rows, engine=engine)
    second = EnforceContext("r2", "p2", "e2", "m2")
    assert compiled.evaluate(("alice", "data")).allowed
    assert compiled.evaluate((second, 20)).allowed
    assert not compiled.evaluate((second, 10)).allowed
    assert not compiled.evaluate((EnforceContext("r2", "p2", "e", "m2"), 20)).allowed
    for wrong in [(second, 1, 2), (EnforceContext("r", "p2", "e", "m2"), 1, 2), (EnforceContext(matcher="m3"), 1, 2)]:
        with pytest.raises(RequestError):
            compiled.evaluate(wrong)


def test_priorities_are_whole_numbers(engine):
    """The smallest number is first; other priorities do not load, where Casbin would sort them as texts."""
    text = CONTEXTS.split("[request", maxsplit=1)[0] + (
        "[request_definition]\nr = sub\n[policy_definition]\np = priority, sub, eft\n"
        "[policy_effect]\ne = priority(p.eft) || deny\n[matchers]\nm = r.sub == p.sub\n"
    )
    rows = [("p", "10", "a", "deny"), ("p", "9", "a", "allow"), ("p", "9", "a", "deny")]
    assert compile_program(text, rows, engine=engine).evaluate(["a"]).rule == rows[1][1:]
    with pytest.raises(RowError, match="`high`"):
        compile_program(text, [*rows, ("p", "high", "a", "allow")], engine=engine)
