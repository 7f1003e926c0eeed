"""An evaluation that fails names the row and the properties that the failing part reads."""

from __future__ import annotations

import pytest

from sidegate.engine.engines import ENGINES, compile_program, evaluate
from sidegate.engine.language.entity import Entity
from sidegate.errors import EvaluationError

MODEL = """\
[request_definition]
r = sub, obj, act
[policy_definition]
p = act, cond, eft, rule
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = r.act == p.act && eval(p.cond)
"""


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


def failed(condition: str, *, engine: str, **properties: object) -> EvaluationError:
    """Return the error of a condition that is reached after rules that don't match."""
    rows = [("p", "view", "r.obj.size > 99", "allow", "R1"), ("p", "view", condition, "allow", "R2")]
    rows.append(("p", "view", "r.obj.size == 5", "deny", "R3"))
    program = compile_program(MODEL, rows, engine=engine)
    with pytest.raises(EvaluationError) as raised:
        evaluate(program, (Entity({"age": 7, "name": "uma"}), Entity({"size": 5, **properties}), "view"))
    return raised.value


@pytest.mark.parametrize(
    ("condition", "properties"),
    [
        ("r.obj.size / r.obj.zero > 2", ((1, "size"), (1, "zero"))),
        ("r.sub.age > 3 && r.obj.size + r.sub.name > 2", ((0, "name"), (1, "size"))),
        ("r.sub.age > 3 && r.sub.name < 3", ((0, "name"),)),
        ("r.obj.absent", ((1, "absent"),)),
        ('r.sub.age == 7 && ipMatch(r.obj.ip, "10.0.0.0/8")', ((1, "ip"),)),
        ("r.sub.age == 7 && (r.sub.age == 8 || !(r.obj.size in r.sub.name))", ((0, "name"), (1, "size"))),
        ("r.sub.age == 7 && 1 / 0 > 2", ()),
    ],
)
def test_the_error_names_the_row_and_what_its_failing_part_reads(engine, condition, properties):
    """Properties of other parts of the condition, and other rows, are not named."""
    error = failed(condition, engine=engine, zero=0, ip="nowhere")
    assert error.row == ("view", condition, "allow", "R2")
    assert error.properties == properties


def test_rules_that_share_a_compiled_condition_are_named_each(engine):
    """Conditions that differ in a literal alone are compiled once, and the row is still the one that failed."""
    conditions = [f'r.sub.age == {age} && ipMatch(r.obj.ip, "10.0.0.{age}")' for age in (5, 6, 7)]
    rows = [("p", "view", condition, "allow", f"R{number}") for number, condition in enumerate(conditions)]
    program = compile_program(MODEL, rows, engine=engine)
    with pytest.raises(EvaluationError) as raised:
        evaluate(program, (Entity({"age": 7}), Entity({"ip": "nowhere"}), "view"))
    assert (raised.value.row[-1], raised.value.properties) == ("R2", ((1, "ip"),))
