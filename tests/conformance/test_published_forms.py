"""Published Casbin files in forms that pycasbin can't read, against pycasbin on the same policy in its own spelling."""

from collections.abc import Iterable
from dataclasses import dataclass

import casbin
import pytest
from casbin import util

from sidegate.engine import ENGINES, compile_program, read_rows

NAMES = ("alice", "bob", "carol", "admin", '"alice"', "")
OBJECTS = ("data1", "data2", "data1,data2", "")
ACTIONS = ("read", "write")
RBAC = """[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act
"""
CONDITIONS = RBAC.replace("p = sub, obj, act", "p = sub, obj, cond").replace("r.act == p.act", "eval(p.cond)")
WINDOWS = RBAC.replace("g = _, _", "g = _, _, (_, _)")
MIXED = RBAC.replace("g = _, _", "g = _, _\ng2 = _, _, (_, _)").replace("g(r.sub", "g2(r.act, 'write') && g(r.sub")
ALL_WINDOWS = MIXED.replace("g = _, _\n", "g = _, _, (_, _)\n")


@dataclass(frozen=True)
class Form:
    """A published model and policy, and both as pycasbin reads them."""

    published: tuple[str, str]
    stock: tuple[str, list[str]]


FORMS = {
    "constants": Form(
        (CONDITIONS, "p, alice, data1, true\np, bob, data2, false\np, carol, data1, r.act IN ('read', 'x') && !false"),
        (CONDITIONS, ["p|alice|data1|True", "p|bob|data2|False", "p|carol|data1|r.act in ('read', 'x') and not False"]),
    ),
    "quotes": Form(
        (RBAC, '"p","alice","data1","read"\np, bob, "data1,data2", "write"\np, "carol", data2, read'),
        (RBAC, ["p|alice|data1|read", "p|bob|data1,data2|write", "p|carol|data2|read"]),
    ),
    "quoted conditions": Form(
        (CONDITIONS, 'p, alice, data1, "r.act in (""read"", ""x"")"\np, bob, data2, "write" == r.act'),
        (CONDITIONS, ['p|alice|data1|r.act in ("read", "x")', 'p|bob|data2|"write" == r.act']),
    ),
    "the year 0000": Form(
        (
            WINDOWS,
            """p, admin, data1, read
            g, alice, admin, 0000-01-01 00:00:00, 9999-12-30 00:00:00
            g, bob, admin, 0000-01-01 00:00:00, 0000-01-02 00:00:00""",
        ),
        (
            WINDOWS,
            [
                "p|admin|data1|read",
                "g|alice|admin|0001-01-01 00:00:00|9999-12-30 00:00:00",
                "g|bob|admin|0001-01-01 00:00:00|0001-01-02 00:00:00",
            ],
        ),
    ),
    "definitions with and without windows": Form(
        (MIXED, "p, admin, data1, write\ng, alice, admin\ng, carol, alice\ng2, write, write, _, _"),
        (
            ALL_WINDOWS,
            ["p|admin|data1|write", "g|alice|admin|_|_", "g|carol|alice|_|_", "g2|write|write|_|_"],
        ),
    ),
    "comments": Form(
        (
            RBAC.replace("obj, act\n[", "obj, act ; what\n[").replace("_, _\n", "_, _ # user_, role_\n"),
            "p, admin, data1, read\ng, alice, admin",
        ),
        (RBAC, ["p|admin|data1|read", "g|alice|admin"]),
    ),
    "two policy sections in m2": Form(
        (
            RBAC.replace("[role", "p2 = sub, act\n[role") + "m2 = g(r.sub, p2.sub) && r.act == p.act\n",
            "p, admin, data1, read\np2, bob, write\ng, alice, admin",
        ),
        (RBAC, ["p|admin|data1|read", "g|alice|admin"]),
    ),
}


def stock_enforcer(text: str, rows: Iterable[str]) -> casbin.Enforcer:
    """Return pycasbin with rows given as values, and with the window of each link that has one."""
    model = casbin.Model()
    model.load_model_from_text(text)
    enforcer = casbin.Enforcer(model)
    for row in rows:
        section, *values = row.split("|")
        enforcer.model.add_policy(section[0], section, values)
    enforcer.build_role_links()
    enforcer.model.build_conditional_role_links(enforcer.cond_rm_map)
    for section in enforcer.cond_rm_map:
        for link in enforcer.model["g"][section].policy:
            enforcer.add_named_link_condition_func(section, link[0], link[1], util.time_match_func)
    return enforcer


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", FORMS)
def test_a_published_form_decides_as_its_plain_spelling_does_in_stock_casbin(name, engine):
    """Every request of a small world has the same answer; some are allowed and some are not."""
    (model, policy), stock = FORMS[name].published, stock_enforcer(*FORMS[name].stock)
    program = compile_program(model, [numbered.row for numbered in read_rows(policy, "policy.csv")], engine=engine)
    requests = [(sub, obj, act) for sub in NAMES for obj in OBJECTS for act in ACTIONS]
    wanted = {request: stock.enforce(*request) for request in requests}
    assert {request: program.evaluate(request).allowed for request in requests} == wanted
    assert set(wanted.values()) == {True, False}
