"""The plan that the indexed engine reports for a matcher, and that its indexes find what the plan says."""

import pytest

from sidegate.engine import compile_program
from support.packs.model import MODEL, ROWS, compile_pack


def planned(matcher):
    text = (
        "[request_definition]\nr = sub, dom, obj, act\n[policy_definition]\np = sub, dom, obj, act\n"
        "[role_definition]\ng = _, _, _\ng2 = _, _\n[policy_effect]\ne = some(where (p.eft == allow))\n"
        f"[matchers]\nm = {matcher}\n"
    )
    return compile_program(text, [("p", "a", "b", "c", "d")]).plan()


def test_the_packs_model_is_indexed():
    """Type and action by prefix, role and scope by the subject's roles; only conditions are verified."""
    plan = compile_pack(ROWS, "indexed").plan()
    assert plan.indexed
    assert str(plan).splitlines() == [
        "matcher m on p",
        "  index   by value and prefix: keyMatch(r.obj.type, p.type)",
        "  index   by value and prefix: keyMatch(r.act, p.act)",
        "  index   by the subject's roles: (p.role == '*') || g(r.sub.ref, p.role, scope(r.obj, r.dom, p.scope))",
        "  verify  eval(p.cond)",
    ]
    assert "eval(p.cond)" in MODEL


@pytest.mark.parametrize(
    ("matcher", "lines"),
    [
        (
            "g(r.sub, p.sub, r.dom) && r.dom == p.dom && p.obj == r.obj && regexMatch(r.act, p.act)",
            [
                "  index   by value: r.dom == p.dom && p.obj == r.obj",
                "  index   by the subject's roles: g(r.sub, p.sub, r.dom)",
                "  index   by distinct pattern: regexMatch(r.act, p.act)",
            ],
        ),
        (
            "g2(r.obj, p.obj) && g(r.sub, p.sub, p.dom) && r.act != p.act",
            [
                "  index   by the subject's roles: g2(r.obj, p.obj)",
                "  index   by the subject's roles: g(r.sub, p.sub, p.dom)",
                "  verify  r.act != p.act",
            ],
        ),
    ],
)
def test_conjuncts_become_accesses(matcher, lines):
    """Equality comes first, then prefixes, roles and patterns, in any order of the conjuncts."""
    plan = planned(matcher)
    assert plan.indexed
    assert str(plan).splitlines()[1:] == lines


def test_alternatives_are_planned_apart():
    """One that reads no rule is a guard; a matcher is indexed only if all of its alternatives are."""
    plan = planned("r.sub == p.sub || r.sub == 'root'")
    assert not plan.indexed
    assert "  scan    r.sub == 'root'" in str(plan).splitlines()
    assert planned("r.sub == p.sub || r.obj == p.obj && r.act == 'x'").indexed


@pytest.mark.parametrize("matcher", ["r.sub != p.sub", "!(r.sub == p.sub)", "keyMatch(p.obj, r.obj)", "p.sub == p.obj"])
def test_conjuncts_without_an_index_are_scanned(matcher):
    """A model that can't be indexed still runs, and its plan says so."""
    assert not planned(matcher).indexed


def test_a_large_policy_decides_like_a_scan():
    """Every rule of a policy that splits each level of an index is found, and only by its own request."""
    text = (
        "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act\n"
        "[role_definition]\ng = _, _\n[policy_effect]\ne = some(where (p.eft == allow))\n"
        "[matchers]\nm = g(r.sub, p.sub) && keyMatch(r.obj, p.obj) && regexMatch(r.act, p.act)\n"
    )
    rows = [
        ("p", f"role{role}", f"/{name}" + star, act)
        for role in range(9)
        for name in "abcdefgh"
        for star in ("", "/*")
        for act in ("get", "(put)|(post)")
    ]
    links = [("g", f"user{role}", f"role{role}") for role in range(9)]
    program = compile_program(text, [*rows, *links])
    grown = compile_program(text, [rows[0], *links])
    for row in rows[1:]:
        grown = grown.with_rows([row])
    for _, role, obj, act in rows:
        user = role.replace("role", "user")
        asked = (user, obj.replace("*", "x/y"), "post" if "post" in act else "get")
        for each in (program, grown):
            answer = each.evaluate(asked)
            assert answer.allowed
            assert answer.rule is not None
            assert (answer.rule[0], answer.rule[2]) == (role, act)
            assert not each.evaluate((user, asked[1], "delete")).allowed
            assert not each.evaluate((user, asked[1] + "z" if "*" not in obj else "/zz", asked[2])).allowed
