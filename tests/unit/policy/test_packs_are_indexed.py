"""All rules of the bundled packs are found by index."""

from __future__ import annotations

import pytest

from sidegate.engine import IndexedEngine
from sidegate.policy.pack.compile import compile_pack
from sidegate.policy.pack.load import load_pack
from sidegate.policy.pack.registry import bundled_packs

PACKS = sorted(path.parent.name for path in bundled_packs().glob("*/pack.yaml"))
PLAN = """\
matcher m on p
  index   by value and prefix: keyMatch(r.obj.type, p.type)
  index   by value and prefix: keyMatch(r.act, p.act)
  index   by the subject's roles: (p.role == '*') || g(r.sub.ref, p.role, scope(r.obj, r.dom, p.scope))
  verify  eval(p.cond)"""


@pytest.mark.parametrize("pack", PACKS)
def test_every_conjunct_but_the_condition_is_indexed(pack):
    """Type, action and role choose the candidates; only their conditions are evaluated."""
    plan = compile_pack(load_pack(bundled_packs() / pack), IndexedEngine()).program.plan()
    assert plan.indexed
    assert str(plan) == PLAN
