"""Programs are swapped while many threads evaluate them."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sidegate.errors import RowError
from support.packs.model import ROWS, ask, compile_pack, entity

DENY = ("p", "document_manager", "template", "document", "view", "True", "deny", "NEW-1")
ADDED = [DENY, ("g", "member:ugo", "group:sales", "*")]
REQUESTS = [
    ask(entity(f"member:{name}", status="active"), entity("document:d1", "template:nda"), action)
    for name in ("uma", "ugo", "rep", "nobody")
    for action in ("view", "sign")
]


def test_eight_threads_see_one_version_or_the_other():
    """Every decision belongs to one of the two versions, at any time of the swap."""
    old = compile_pack(ROWS, "indexed")
    new = old.with_rows(ADDED)
    answers = [(old.evaluate(request), new.evaluate(request)) for request in REQUESTS]
    assert sum(before != after for before, after in answers) == 2
    current = [old]
    done = threading.Event()

    def evaluate(_):
        strange, count = [], 0
        while not done.is_set():
            for request, known in zip(REQUESTS, answers, strict=True):
                answer = current[0].evaluate(request)
                count += 1
                if answer not in known:
                    strange.append((request, answer))
        return strange, count

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(evaluate, number) for number in range(8)]
        for _ in range(150):
            current[0] = old.with_rows(ADDED)
            current[0] = current[0].with_rows(removed=ADDED)
        done.set()
        results = [future.result() for future in running]
    assert [strange for strange, _ in results] == [[]] * 8
    assert all(count for _, count in results)


def test_a_changed_program_shares_what_did_not_change():
    """A tenant's program shares the objects of the pack's rows and adds its own rows."""
    base = compile_pack(ROWS, "indexed")
    tenants = [base.with_rows([("g", f"member:m{number}", "owner", "document:d1")]) for number in range(3)]
    for tenant in tenants:
        for name in ("model", "rules", "indexes"):
            mine, packs = getattr(tenant._parts, name), getattr(base._parts, name)
            assert mine is packs or all(mine[key] is packs[key] for key in packs)
    assert [tenant.evaluate(REQUESTS[0]).allowed for tenant in tenants] == [True] * 3


def test_a_change_does_not_copy_a_large_program():
    """Adding or removing a rule or link does not copy the index or the links of a large program."""
    rows = [("p", f"role{n}", "tenant", "document", f"act{n}", "True", "allow", "R") for n in range(200)]
    links = [("g", f"member:m{n}", f"role{n}", "tenant:acme") for n in range(200)]
    program = compile_pack([*rows, *links], "indexed")
    changed = program.with_rows([(*rows[0][:4], "new", *rows[0][5:])], [rows[7], links[7]])
    changed = changed.with_rows([("g", "member:m7", "role8", "tenant:acme")])

    def large_parts(each):
        (index,) = each._parts.indexes["m"]
        return index._base, each._parts.rules["p"]._base, each._parts.graphs.by_section["g"]._base

    assert all(mine is old for mine, old in zip(large_parts(changed), large_parts(program), strict=True))
    asked = [("m0", "new"), ("m7", "act7"), ("m7", "act8"), ("m8", "act8")]
    requests = [ask(entity(f"member:{who}", status="active"), entity("document:d1"), act) for who, act in asked]
    assert [program.evaluate(request).allowed for request in requests] == [False, True, False, True]
    assert [changed.evaluate(request).allowed for request in requests] == [True, False, True, True]


def test_a_program_with_many_removed_rules_is_rebuilt():
    """When most of its rules are removed, their memory is released, and the answers stay the same."""
    rows = [("p", f"role{n}", "tenant", "document", f"act{n}", "True", "allow", "R") for n in range(40)]
    program = compile_pack([*rows, ("g", "member:m", "role39", "tenant:acme")], "indexed")
    for row in rows[:30]:
        program = program.with_rows(removed=[row])
    rules = program._parts.rules["p"]
    assert len(rules) == 10
    assert len(rules._base) < 20
    request = ask(entity("member:m", status="active"), entity("document:d1"), "act39")
    assert program.evaluate(request).allowed
    assert not program.with_rows(removed=[rows[39]]).evaluate(request).allowed


def test_names_of_requests_are_not_stored():
    """Requests about thousands of unknown subjects, tenants and documents leave no objects in memory."""
    program = compile_pack(ROWS, "indexed")

    def ask_about(names):
        for name in names:
            request = ask(entity(f"member:{name}", status="active"), entity(f"document:{name}"), "view", tenant=name)
            program.evaluate(request)
        gc.collect()
        return len(gc.get_objects())

    before = ask_about(["warm", "up"])
    assert ask_about(f"unknown{number}" for number in range(3000)) - before < 500


def test_garbage_collection_is_enabled_again_after_a_large_build():
    """It pauses while many rows are compiled, also by several threads or with an error, and is enabled afterwards."""
    rows = [*ROWS, *(("g", f"member:m{n}", "owner", f"document:d{n}") for n in range(12_000))]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: compile_pack(rows, "indexed"), range(3)))
    assert gc.isenabled()
    with pytest.raises(RowError):
        compile_pack([*rows, ("g", "wrong")], "indexed")
    assert gc.isenabled()
    gc.disable()
    try:
        compile_pack(rows, "indexed")
        assert not gc.isenabled()
    finally:
        gc.enable()
