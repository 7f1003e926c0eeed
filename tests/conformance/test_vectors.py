"""Recorded calls of pycasbin's own test suite, through every engine."""

import pytest

from sidegate.engine import ENGINES, compile_program
from sidegate.errors import RowError
from support.packs.vectors import FOLDER, Vector, vectors

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded vectors at {FOLDER}")

REFUSED = {35, 36, 37, 38, 39, 40, 73, 129, 130, 131}
"""Lines whose policy is empty: docs/casbin-compatibility.md, "empty policy"."""
UNKNOWN_EFFECT = {126}
"""Lines with an effect that is neither allow nor deny: docs/casbin-compatibility.md, "unknown effect"."""


def decide(vector: Vector, engine: str):
    program = compile_program(
        vector.model, vector.rows, role_match=vector.role_match, domain_match=vector.domain_match, engine=engine
    )
    answer = program.evaluate(vector.request)
    return answer.allowed, answer.rule


@pytest.mark.parametrize("engine", ENGINES)
def test_every_portable_vector_agrees(engine):
    """Decision and explanation are those that pycasbin 2.8.0 recorded."""
    differing = [
        (vector.line, vector.test, answer, vector.allowed, vector.rule)
        for vector in vectors()
        if vector.line not in REFUSED | UNKNOWN_EFFECT
        and (answer := decide(vector, engine)) != (vector.allowed, vector.rule)
    ]
    assert not differing


@pytest.mark.parametrize("engine", ENGINES)
def test_the_other_vectors_are_refused(engine):
    """An empty policy and an unknown effect do not compile."""
    refused = {}
    for vector in vectors():
        if vector.line in REFUSED | UNKNOWN_EFFECT:
            with pytest.raises(RowError) as error:
                decide(vector, engine)
            refused[vector.line] = str(error.value)
    assert set(refused) == REFUSED | UNKNOWN_EFFECT
    assert all(("no policy row" in text) != (line in UNKNOWN_EFFECT) for line, text in refused.items())
