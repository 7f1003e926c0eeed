"""The indexed engine against the reference, on generated models, policies, role graphs and requests.

`SIDEGATE_FUZZ=1000000` sets the number of decisions.
"""

import os
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sidegate.engine import compile_program
from sidegate.errors import EngineError, EvaluationError
from sidegate.model.rules import RoleLinks
from support.packs.casbin_cases import HOLDERS, TYPES, Case, case_of, pack_link, pack_rows
from support.packs.model import ask, compile_pack, entity

REQUESTS = 24
DECISIONS = int(os.environ.get("SIDEGATE_FUZZ", "20000"))
fuzzed = settings(
    max_examples=DECISIONS // REQUESTS + 1,
    deadline=None,
    database=None,
    derandomize="SIDEGATE_FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


def compiled(case: Case, rows, engine):
    return compile_program(case.model, rows, role_match=case.role_match, domain_match=case.domain_match, engine=engine)


def outcome(program, request):
    try:
        answer = program.evaluate(request)
    except EvaluationError:
        return "error"
    return answer.allowed, answer.rule


def try_compiled(case: Case, rows, engine):
    try:
        return compiled(case, rows, engine)
    except EngineError as error:
        return type(error)


def without_failing_rows(case: Case, rows, request):
    """Return the reference's program of the rows that do not fail by themselves, None if no rule is left."""
    links = [row for row in rows if row[0] != "p"]
    fine = [
        row for row in rows if row[0] != "p" or outcome(compiled(case, [row, *links], "reference"), request) != "error"
    ]
    return compiled(case, fine, "reference") if any(row[0] == "p" for row in fine) else None


def changed_by(program, added, removed):
    try:
        return program.with_rows(added, removed)
    except EngineError as error:
        return type(error)


def difference(case: Case, rows, request):
    """Return (wanted, found) where the engines differ on these rows, else None."""
    reference, indexed = (try_compiled(case, rows, engine) for engine in ("reference", "indexed"))
    if isinstance(reference, type) or isinstance(indexed, type):
        return None if reference == indexed else (reference, indexed)
    wanted, found = outcome(reference, request), outcome(indexed, request)
    if wanted == "error" != found:
        # Casbin failed on a rule that an index skipped: ours must be the answer of the other rules.
        rest = without_failing_rows(case, rows, request)
        wanted = found if rest is None and not found[1] else rest and outcome(rest, request)
    return None if wanted == found else (wanted, found)


def smallest(case: Case, request):
    """Return as few of the rows as still show a difference, for the report."""
    rows = list(case.rows)
    for row in case.rows:
        fewer = list(rows)
        fewer.remove(row)
        if difference(case, fewer, request):
            rows = fewer
    return rows


@fuzzed
@given(seed=st.integers(0, 2**64))
def test_indexed_decides_as_the_reference(seed):
    """Decision, deciding row and failure agree; only the failure of a rule that can't match is ignored."""
    case = case_of(Random(seed), REQUESTS)
    reference, indexed = (try_compiled(case, case.rows, engine) for engine in ("reference", "indexed"))
    if isinstance(reference, type) or isinstance(indexed, type):
        assert reference == indexed, case
        return
    for request in case.requests:
        if outcome(reference, request) != outcome(indexed, request) and difference(case, case.rows, request):
            rows = smallest(case, request)
            found = difference(case, rows, request)
            pytest.fail(f"{case.model}\n{rows}\n{request}\n{case.role_match} {case.domain_match}\n{found}")


@settings(fuzzed, max_examples=DECISIONS // 40)
@given(seed=st.integers(0, 2**64))
def test_changed_programs_decide_as_fresh_ones(seed):
    """Adding and removing rows decides as a compilation of the resulting rows does; the old program does not change."""
    case = case_of(Random(seed), 8)
    program = try_compiled(case, case.rows, "indexed")
    if isinstance(program, type):
        return
    before = [outcome(program, request) for request in case.requests]
    steps = [(case.more[:1], []), (case.more[1:6], case.rows[::3]), (case.more[6:], [*case.rows[1::3], *case.more[:2]])]
    rows, changed = list(case.rows), program
    for added, removed in steps:
        for row in removed:
            rows.remove(row)
        rows += added
        fresh = try_compiled(case, rows, "indexed")
        changed = changed_by(changed, added, removed)
        if isinstance(changed, type) or isinstance(fresh, type):
            assert changed == fresh
            break
        for request in case.requests:
            assert outcome(changed, request) == outcome(fresh, request), (case, rows, request)
    assert [outcome(program, request) for request in case.requests] == before


def pack_request(rng):
    thing = f"{rng.choice(TYPES)}:{rng.choice(['1', 'nda', 'sales'])}"
    parents = rng.sample(["template:nda", "group:sales"], rng.randint(0, 2))
    subject = entity(rng.choice([*HOLDERS, "member:nobody"]), mfa=rng.choice([True, False]))
    obj = entity(thing, *parents, state=rng.choice(["draft", "done"]))
    return ask(subject, obj, rng.choice(["view", "edit", "v", "vic"]), hour=rng.choice([3, 20]))


def pack_outcome(program, request, links):
    try:
        answer = program.evaluate(request, links)
    except EvaluationError:
        return "error"
    return answer.allowed, answer.rule


@settings(fuzzed, max_examples=DECISIONS // 120 + 1)
@given(seed=st.integers(0, 2**64))
def test_the_packs_model_decides_as_the_reference(seed):
    """Scoped roles, groups, tenants' rows on top of a pack's, and links of one evaluation: the engines agree."""
    rng = Random(seed)
    pack, tenant = pack_rows(rng, rng.choice([2, 10, 40])), pack_rows(rng, rng.choice([0, 6, 60]))
    pack.append(("p", "owner", "document", "document", "view", "True", "allow", "R"))
    removed = rng.sample(pack[:-1], rng.randint(0, len(pack) - 1)) if rng.random() < 0.3 else []
    reference, indexed = (compile_pack(pack, engine).with_rows(tenant, removed) for engine in ("reference", "indexed"))
    for _ in range(12):
        request = pack_request(rng)
        links = RoleLinks.of([pack_link(rng) for _ in range(rng.choice([0, 0, 1, 4]))])
        wanted, found = pack_outcome(reference, request, links), pack_outcome(indexed, request, links)
        if wanted == "error" != found:
            continue  # the failure of a rule that can't match is ignored; the first test checks such answers
        assert found == wanted, (pack, tenant, removed, request, links)
