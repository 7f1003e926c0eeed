"""Programs are swapped while many threads evaluate them."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

from support.pack_model import ROWS, ask, compile_pack, entity

DENY = ("p", "document_manager", "template", "document", "view", "True", "deny", "NEW-1")
ADDED = [DENY, ("g", "member:ugo", "group:sales", "*")]
REQUESTS = [
    ask(entity(f"member:{name}", status="active"), entity("document:d1", "template:nda"), action)
    for name in ("uma", "ugo", "rep", "nobody")
    for action in ("view", "sign")
]


def test_eight_threads_see_one_version_or_the_other():
    """Not one decision belongs to neither version, whatever the moment of the swap."""
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
    """A tenant's program holds its own rows beside the pack's, which are the same objects."""
    base = compile_pack(ROWS, "indexed")
    tenants = [base.with_rows([("g", f"member:m{number}", "owner", "document:d1")]) for number in range(3)]
    for tenant in tenants:
        for name in ("blueprint", "rules", "indexes"):
            mine, packs = getattr(tenant._parts, name), getattr(base._parts, name)
            assert mine is packs or all(mine[key] is packs[key] for key in packs)
    assert [tenant.evaluate(REQUESTS[0]).allowed for tenant in tenants] == [True] * 3


def test_nothing_is_kept_about_names_that_were_asked():
    """Thousands of unknown subjects, tenants and documents leave no object behind."""
    program = compile_pack(ROWS, "indexed")

    def ask_about(names):
        for name in names:
            request = ask(entity(f"member:{name}", status="active"), entity(f"document:{name}"), "view", tenant=name)
            program.evaluate(request)
        gc.collect()
        return len(gc.get_objects())

    before = ask_about(["warm", "up"])
    assert ask_about(f"unknown{number}" for number in range(3000)) - before < 500
