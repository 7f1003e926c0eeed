"""Forms of published Casbin files that pycasbin can't read: each loads with its one safe meaning, or is refused."""

import pytest

from sidegate.engine import ENGINES, EnforceContext, compile_program
from sidegate.errors import EvaluationError, RequestError, RowError

pytestmark = pytest.mark.parametrize("engine", ENGINES)


def model(matchers: str, *, policies="p = sub, cond", roles="g = _, _") -> str:
    return "\n".join(
        [
            "[request_definition]\nr = sub, obj",
            f"[policy_definition]\n{policies}",
            f"[role_definition]\n{roles}",
            "[policy_effect]\ne = some(where (p.eft == allow))",
            f"[matchers]\n{matchers}",
        ]
    )


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ("true", True),
        ("false", False),
        ("!false && true", True),
        ("r.obj.open == true", True),
        ("r.obj.true == false", True),
        ("r.obj.IN == 7", True),
        ("r.sub == 'true'", False),
        ("r.sub IN ('alice', 'bob')", True),
        ("not r.sub IN ('bob',)", True),
        ("r.sub not IN ('alice',)", False),
    ],
)
def test_constants_and_membership_as_go_spells_them(engine, condition, allowed):
    """`true`, `false` and `IN` are True, False and `in`, in conditions and matchers, except as properties and texts."""
    request = ("alice", {"open": True, "true": False, "IN": 7})
    for matcher, value in (("m = eval(p.cond)", condition), (f"m = {condition}", "-")):
        program = compile_program(model(matcher), [("p", "x", value)], engine=engine)
        assert program.evaluate(request).allowed is allowed


WINDOWS = [
    ("0000-01-01 00:00:00", "9999-12-30 00:00:00", True),
    ("0000-02-29 00:00:00", "_", True),
    ("_", "0000-01-01 00:00:00", False),
    ("0000-01-01 00:00:00", "0000-01-02 00:00:00", False),
]


@pytest.mark.parametrize(("start", "end", "holds"), WINDOWS)
def test_the_year_0000_is_in_the_distant_past(engine, start, end, holds):
    """A window that starts there has started, one that ends there has ended: of links, of rules, and of literals."""
    linked = model("m = g(r.sub, p.sub)", policies="p = sub", roles="g = _, _, (_, _)")
    rows = [("p", "admin"), ("g", "alice", "admin", start, end)]
    program = compile_program(linked, rows, engine=engine)
    assert program.evaluate(("alice", None)).allowed is holds
    assert sorted(program.rows()) == sorted(rows)
    held = model("m = timeMatch(p.start, p.end)", policies="p = start, end")
    assert compile_program(held, [("p", start, end)], engine=engine).evaluate(("alice", None)).allowed is holds
    written = model(f"m = timeMatch('{start}', '{end}')")
    assert compile_program(written, [("p", "-", "-")], engine=engine).evaluate(("alice", None)).allowed is holds


@pytest.mark.parametrize("time", ["0000-13-01 00:00:00", "0000-02-30 00:00:00", "0000-00-00 00:00:00", "0000-"])
def test_invalid_dates_of_the_year_0000_are_refused(engine, time):
    """Dates that do not exist are refused in this year too."""
    text = model("m = g(r.sub, p.sub)", policies="p = sub", roles="g = _, _, (_, _)")
    with pytest.raises(RowError, match=f"`{time}` is no time"):
        compile_program(text, [("p", "admin"), ("g", "alice", "admin", time, "_")], engine=engine)
    late = compile_program(model("m = timeMatch(p.sub, '_')"), [("p", time, "-")], engine=engine)
    with pytest.raises(EvaluationError):
        late.evaluate(("alice", None))


MIXED = model(
    "m = g(r.sub, p.sub) && r.obj == p.obj\nm2 = g(r.sub, p2.sub) && r.obj == p.obj",
    policies="p = sub, obj\np2 = sub, obj",
)


def test_a_matcher_of_two_policy_sections_is_never_evaluated(engine):
    """The model loads, its `m` decides, and a request that chooses `m2` is an error that says how to write it."""
    rows = [("p", "admin", "data"), ("p2", "alice", "data"), ("g", "alice", "admin")]
    program = compile_program(MIXED, rows, engine=engine)
    assert program.evaluate(("alice", "data")).allowed
    assert not program.evaluate(("bob", "data")).allowed
    for policy in ("p", "p2"):
        with pytest.raises(RequestError, match=r"`m2` reads both `p` and `p2`.*; write `p2\.obj` for `p\.obj`"):
            program.evaluate((EnforceContext("r", policy, "e", "m2"), "alice", "data"))
    written = MIXED.removesuffix("p.obj") + "p2.obj"
    compiled = compile_program(written, rows, engine=engine)
    assert compiled.evaluate((EnforceContext("r", "p2", "e", "m2"), "alice", "data")).allowed


COMMENTED = """[request_definition] # who asks
r = sub, obj ; for what, and how
[policy_definition]
p = sub, obj, eft  # allow | deny
p2 = obj # unused_ here
[role_definition] # roles_
g = _, _ # member, role_with_blanks
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny)) # deny wins
[matchers]
m = g(r.sub, p.sub) \\
    && r.obj == p.obj && p.obj != "#;1" # it's the object's "name"
"""


def test_a_comment_may_end_a_line_of_the_model(engine):
    """`#` or `;` outside of a text starts a comment: in each section, in a title, and after a continued line."""
    rows = [
        ("p", "admin", "a", "allow"),
        ("p", "bob", "a", "deny"),
        ("p", "bob", "#;1", "allow"),
        ("g", "bob", "admin"),
    ]
    program = compile_program(COMMENTED, rows, engine=engine)
    asked = [("admin", "a"), ("bob", "a"), ("carol", "a"), ("bob", "#;1")]
    assert [program.evaluate(request).allowed for request in asked] == [True, False, False, False]


def test_role_definitions_with_and_without_a_window_keep_their_own_meaning(engine):
    """Each follows its own links: plain ones always hold, the others in their windows, also after a change of rows."""
    text = model(
        "m = (g(r.sub, p.sub) || g2(r.sub, p.sub)) && g3(r.obj, p.obj, 'd')",
        policies="p = sub, obj",
        roles="g = _, _\ng2 = _, _, (_, _)\ng3 = _, _, _",
    )
    rows = [
        ("p", "admin", "all"),
        ("g", "alice", "admin"),
        ("g", "eve", "alice"),
        ("g2", "bob", "admin", "_", "_"),
        ("g2", "carol", "admin", "_", "2001-01-01 00:00:00"),
        ("g3", "data", "all", "d"),
    ]
    program = compile_program(text, rows, engine=engine)
    names = ("alice", "eve", "bob", "carol", "dave", "admin")
    assert [program.evaluate((name, "data")).allowed for name in names] == [True, True, True, False, False, True]
    assert not program.evaluate(("alice", "other")).allowed
    changed = program.with_rows([("g2", "dave", "admin", "_", "_"), ("g", "carol", "bob")], [rows[1]])
    assert [changed.evaluate((name, "data")).allowed for name in names] == [False, False, True, False, True, True]
