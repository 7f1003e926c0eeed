"""Role links: how far they are followed, cycles, domains by pattern, names by pattern, windows of time."""

import re
from datetime import datetime, timedelta

import pytest

from sidegate.engine import ENGINES, compile_program
from sidegate.errors import EvaluationError, ModelError, RequestError, RowError
from sidegate.model.rules import RoleLinks

pytestmark = pytest.mark.parametrize("engine", ENGINES)


def model(roles: str, matcher: str, fields="sub, dom") -> str:
    return "\n".join(
        [
            f"[request_definition]\nr = {fields}",
            f"[policy_definition]\np = {fields}",
            f"[role_definition]\n{roles}",
            "[policy_effect]\ne = some(where (p.eft == allow))",
            f"[matchers]\nm = {matcher}",
        ]
    )


PLAIN = model("g = _, _", "g(r.sub, p.sub)", "sub")
SCOPED = model("g = _, _, _", "g(r.sub, p.sub, r.dom)")


def chain(length):
    return [("g", f"n{step}", f"n{step + 1}") for step in range(length)]


def test_nine_links_are_followed(engine):
    """Casbin's manager counts ten levels, the subject's own among them."""
    program = compile_program(PLAIN, [("p", "n9"), *chain(9)], engine=engine)
    assert program.evaluate(["n0"]).allowed
    assert not program.evaluate(["n10"]).allowed


@pytest.mark.parametrize("extra", [[], [("g", "n10", "n0")], [("g", f"m{step}", "n3") for step in range(50)]])
def test_a_chain_that_would_be_cut_is_refused(engine, extra):
    """Ten links in a row do not load, also in a cycle, and the error names them all."""
    names = re.escape("` -> `".join(f"n{step}" for step in range(11)))
    with pytest.raises(RowError, match=f"`{names}` has 10 links"):
        compile_program(PLAIN, [("p", "n1"), *chain(10), *extra], engine=engine)


def test_a_chain_made_too_long_later_is_refused(engine):
    """Adding the link that makes a chain too long from its holder fails; the old program does not change."""
    program = compile_program(PLAIN, [("p", "n9"), *chain(9)], engine=engine)
    with pytest.raises(RowError, match="10 links"):
        program.with_rows([("g", "n", "n0")])
    assert program.evaluate(["n0"]).allowed


@pytest.mark.parametrize("beside", [0, 50])
def test_a_chain_among_many_links_added_at_once_is_refused(engine, beside):
    """Where most links are added together, a chain that is too long is still found; a cycle is not one."""
    program = compile_program(PLAIN, [("p", "n9")], engine=engine)
    others = [("g", f"m{number}", "n3") for number in range(beside)]
    with pytest.raises(RowError, match="10 links"):
        program.with_rows([*chain(10), *others])
    whole = program.with_rows([*chain(9), *others, ("g", "x", "y"), ("g", "y", "x")])
    assert whole.evaluate(["n0"]).allowed


def test_a_shorter_path_makes_a_long_chain_valid(engine):
    """The shortest path counts, so a chain of ten links is fine where each role has a shorter one."""
    program = compile_program(PLAIN, [("p", "n10"), *chain(10), ("g", "n0", "n5")], engine=engine)
    assert program.evaluate(["n0"]).allowed


def test_cycles_of_roles_are_safe(engine):
    """A cycle of roles makes them one another's roles, and the walk ends."""
    rows = [("p", "c"), ("g", "a", "b"), ("g", "b", "c"), ("g", "c", "a"), ("g", "x", "x")]
    program = compile_program(PLAIN, rows, engine=engine)
    assert [program.evaluate([name]).allowed for name in "abcx"] == [True, True, True, False]


def test_every_name_holds_itself(engine):
    """`g(x, x)` is true, so a name without any link holds what is granted to it."""
    assert compile_program(PLAIN, [("p", "alice")], engine=engine).evaluate(["alice"]).allowed


def test_links_count_in_their_domain(engine):
    """A link in one domain does not count in another, and `*` is a domain like any other without a pattern."""
    rows = [("p", "admin", "-"), ("g", "alice", "admin", "d1"), ("g", "bob", "admin", "*")]
    program = compile_program(SCOPED, rows, engine=engine)
    asked = [("alice", "d1"), ("alice", "d2"), ("bob", "d1"), ("bob", "*")]
    assert [program.evaluate(request).allowed for request in asked] == [True, False, False, True]


def test_domains_can_be_patterns(engine):
    """With a matching function the links of each stored domain that matches hold, and those of no other."""
    rows = [
        ("p", "admin", "-"),
        ("g", "alice", "staff", "t*"),
        ("g", "staff", "admin", "t1"),
        ("g", "bob", "admin", "*"),
    ]
    program = compile_program(SCOPED, rows, domain_match={"g": "keyMatch"}, engine=engine)
    asked = [("alice", "t1"), ("alice", "t2"), ("bob", "t2"), ("bob", "elsewhere"), ("alice", "u")]
    assert [program.evaluate(request).allowed for request in asked] == [True, False, True, True, False]
    changed = program.with_rows([("g", "staff", "admin", "t2*")], [("g", "bob", "admin", "*")])
    assert [changed.evaluate(request).allowed for request in asked] == [True, True, False, False, False]


def test_numbers_as_domains_are_texts(engine):
    """Casbin spells the third argument of g() as a text."""
    program = compile_program(SCOPED, [("p", "admin", "-"), ("g", "alice", "admin", "1")], engine=engine)
    assert program.evaluate(("alice", 1)).allowed
    assert not program.evaluate(("alice", True)).allowed


def test_a_query_does_not_change_later_answers(engine):
    """Casbin's managers remember the names of queries and then allow `a` after a query for `ab`; ours do not."""
    rows = [("p", "r"), ("g", "b", "o"), ("g", "o", "r"), ("g", "a", "a*"), ("g", "b", "*")]
    program = compile_program(PLAIN, rows, role_match={"g": "keyMatch"}, engine=engine)
    names = ["a", "b", "ab", "zz", "a", "*", "a*"]
    fresh = [compile_program(PLAIN, rows, role_match={"g": "keyMatch"}, engine=engine).evaluate([n]) for n in names]
    assert [program.evaluate([name]) for name in names] == fresh


def test_windows_of_time_always_count(engine):
    """A link with a window holds within it, whether or not anyone registered a condition, and `_` is open."""
    text = model("g = _, _, (_, _)", "g(r.sub, p.sub)", "sub")
    now = datetime.now()  # noqa: DTZ005 - windows are in local time
    before, after = (str(now + timedelta(days=days))[:19] for days in (-1, 1))
    windows = {"now": (before, after), "open": ("_", "_"), "past": ("_", before), "future": (after, "_")}
    rows = [("p", "admin"), *(("g", name, "admin", *window) for name, window in windows.items())]
    program = compile_program(text, rows, engine=engine)
    assert {name: program.evaluate([name]).allowed for name in windows} == {
        "now": True,
        "open": True,
        "past": False,
        "future": False,
    }


@pytest.mark.parametrize(
    ("roles", "row", "error"),
    [
        ("g = _, _, (_, _)", ("g", "a", "b", "yesterday", "_"), RowError),
        ("g = _, _, (_, _)", ("g", "a", "b", "_"), RowError),
        ("g = _, _, (_, _, _)", ("g", "a", "b", "_", "_", "_"), ModelError),
    ],
)
def test_wrong_windows_are_refused(engine, roles, row, error):
    """A time that can't be parsed does not load."""
    with pytest.raises(error):
        compile_program(model(roles, "g(r.sub, p.sub)", "sub"), [("p", "x"), row], engine=engine)


def test_an_invalid_pattern_is_refused(engine):
    """Casbin swallows the failure of a matching function; a stored domain that is not a pattern does not load."""
    rows = [("p", "x", "-"), ("g", "a", "b", "office")]
    with pytest.raises(RowError, match="not an IP address"):
        compile_program(SCOPED, rows, domain_match={"g": "ipMatch"}, engine=engine)
    with pytest.raises(ModelError, match="can't match"):
        compile_program(SCOPED, [("p", "x", "-")], domain_match={"g": "sameMatch"}, engine=engine)


def test_links_of_one_evaluation_need_a_domain(engine):
    """They have a domain, which the definition of `g` must have too."""
    program = compile_program(PLAIN, [("p", "admin")], engine=engine)
    with pytest.raises(RequestError, match="g = _, _, _"):
        program.evaluate(["alice"], RoleLinks.of([("alice", "admin", "")]))


def test_a_subject_that_is_not_a_text_holds_itself_only(engine):
    """Numbers equal no role; a list can't be a name and is an error."""
    program = compile_program(PLAIN, [("p", "1")], engine=engine)
    assert not program.evaluate([1]).allowed
    with pytest.raises(EvaluationError):
        program.evaluate([["1"]])


@pytest.mark.parametrize(
    ("roles", "matcher", "row", "options"),
    [
        ("g = _, _", "g(r.sub, p.sub)", ("g", "n", "r"), {}),
        ("g = _, _, _", "g(r.sub, p.sub, r.dom)", ("g", "n", "r", ""), {}),
        ("g = _, _, _", "g(r.sub, p.sub, r.dom)", ("g", "n", "r", "/d/*"), {"domain_match": {"g": "keyMatch"}}),
        ("g = _, _", "g(r.sub, p.sub)", ("g", "/n/*", "r"), {"role_match": {"g": "keyMatch"}}),
        ("g = _, _, (_, _)", "g(r.sub, p.sub)", ("g", "n", "r", "_", "2026-01-31 23:59:59"), {}),
        ("g2 = _, _\ng = _, _", "g(r.sub, p.sub) && g2(r.sub, p.sub)", ("g2", "n", "r"), {}),
    ],
)
def test_a_program_returns_its_rows(engine, roles, matcher, row, options):
    """Whatever kind of links it has, and after changes, a program returns exactly the rows that it holds."""
    rows = [("p", "r", "d"), ("p", "r", "e"), row, (*row[:2], "q", *row[3:])]
    program = ENGINES[engine].compile(model(roles, matcher), rows, **options)
    assert sorted(program.rows()) == sorted(rows)
    grown = program.with_rows([("p", "s", "d"), (*row[:2], "s", *row[3:])], [rows[0], row])
    assert sorted(grown.rows()) == sorted([*rows[1:2], rows[3], ("p", "s", "d"), (*row[:2], "s", *row[3:])])
    assert sorted(program.rows()) == sorted(rows)
