"""The parts of a request value that conditions can read."""

from collections import OrderedDict
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from sidegate.engine import ENGINES, Entity, ancestors_of, compile_program, properties_of
from sidegate.engine.language.entity import declared_property
from sidegate.errors import EvaluationError

MODEL = """
[request_definition]
r = sub
[policy_definition]
p = age, cond
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = eval(p.cond)
"""


@dataclass(slots=True)
class Slotted:
    age: int
    secret = "class attribute"

    def delete(self):
        raise AssertionError


class Hidden:
    def __init__(self):
        self.age = 1
        self._secret = 2

    @property
    def computed(self):
        raise AssertionError


def test_an_entity_is_frozen_and_has_declared_properties_only():
    """Only properties are attributes; ancestors are for registered functions."""
    entity = Entity({"age": 1}, {"template": "template:nda"})
    assert entity.age == 1
    assert ancestors_of(entity) == {"template": "template:nda"}
    assert properties_of(entity) == {"age": 1}
    for change in (lambda: setattr(entity, "age", 2), lambda: delattr(entity, "age"), lambda: entity.other):
        with pytest.raises(AttributeError):
            change()
    assert [name for name in dir(entity) if not name.startswith("_")] == []


@pytest.mark.parametrize(
    "value", [Entity({"age": 7}), {"age": 7}, OrderedDict(age=7), SimpleNamespace(age=7), Slotted(7)]
)
def test_declared_properties_are_read(value):
    """Entities, mappings, dataclasses, slots and plain attributes alike."""
    assert declared_property(value, "age") == 7


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Entity({"age": 7, "_x": 1}), "_x"),
        (Entity({}), "_properties"),
        ({"age": 7}, "keys"),
        (Slotted(7), "delete"),
        (Slotted(7), "secret"),
        (Hidden(), "computed"),
        (Hidden(), "_secret"),
        (Hidden(), "missing"),
        ("text", "upper"),
        (None, "age"),
        (5, "real"),
        (Slotted, "age"),
    ],
)
def test_other_attributes_cannot_be_read(value, name):
    """Methods, class attributes, computed and private ones are errors, and no code of the object runs."""
    with pytest.raises(EvaluationError, match=name):
        declared_property(value, name)


@pytest.mark.parametrize("engine", ENGINES)
def test_matchers_read_declared_properties_only(engine):
    """The same holds through a whole evaluation."""
    program = compile_program(MODEL, [("p", "7", "r.sub.age == 7 && r.sub.tags[0] in ['a', 'b']")], engine=engine)
    assert program.evaluate([SimpleNamespace(age=7, tags=["b"])]).allowed
    assert not program.evaluate([{"age": 7, "tags": ["c"]}]).allowed
    for value in (Slotted(7), "text", {"age": 7}, {"age": 7, "tags": []}, Entity({"tags": ["a"]})):
        with pytest.raises(EvaluationError):
            program.evaluate([value])
