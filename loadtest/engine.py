"""The engine's figures: decisions, compilation, memory and changes, compared with pycasbin in one run.

    python loadtest/engine.py                 every table, about ten minutes
    python loadtest/engine.py --quick         up to 10,000 rules

Each line of a table comes from a process of its own, so that memory is that of one program.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import casbin

from sidegate.engine import Entity, compile_program
from sidegate.model.rules import Row
from sidegate.policy.pack.load import load_pack
from sidegate.policy.pack.scope_function import DOMAIN_MATCH, FUNCTIONS

ROOT = Path(__file__).resolve().parents[1]
SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
# Beyond these pycasbin takes minutes to hours: it parses conditions again each time, and a domain costs the square of
# its links.
STOCK_LIMIT = {"rbac": 100_000, "abac": 10_000, "keymatch": 100_000, "deny": 10_000}
PACKS = {
    "standard": (("admin", "member", "invite"), ("document_manager", "template:nda")),
    "mekari-sign": (("admin", "member", "invite"), ("group_member", "group:legal")),
    "engagelab": (("Admin", "member", "update"), ("", "")),
    "eformsign": (("company_admin", "member", "invite"), ("document_manager", "template:nda")),
}
"""For each pack a role with a type and action that it allows, and a role of a group with its scope."""

MODEL = """[request_definition]
r = {request}
[policy_definition]
p = {policy}
[role_definition]
g = _, _, _
[policy_effect]
e = {effect}
[matchers]
m = {matcher}
"""
ALLOW = "some(where (p.eft == allow))"
DENY = ALLOW + " && !some(where (p.eft == deny))"
SCOPED = "sub, dom, obj, act"
PLAIN = "sub, obj, act"


def rbac(size: int):
    """Roles in a hundred tenants; as many links as rules. Worst: every role of the tenant, object without a rule."""
    matcher = "g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act"
    rows = [("p", f"role{i % 10}", f"tenant{i % 100}", f"data{i}", "read") for i in range(size)]
    rows += [("g", f"user{i}", f"role{i % 10}", f"tenant{i % 100}") for i in range(size)]
    rows += [("g", "chief", f"role{i}", f"tenant{(size - 1) % 100}") for i in range(10)]
    last, tenant = size - 1, f"tenant{(size - 1) % 100}"
    asked = {
        "allow": (f"user{last}", tenant, f"data{last}", "read"),
        "miss": (f"user{last}", tenant, f"data{last}", "write"),
        "worst": ("chief", tenant, f"data{last}", "read"),
    }
    return MODEL.format(request=SCOPED, policy=SCOPED, effect=ALLOW, matcher=matcher), rows, asked


def abac(size: int):
    """A condition over the subject's score and one object a rule, no two alike. Worst: it is reached and false."""
    matcher = "eval(p.rule) && r.obj == p.obj && r.act == p.act"
    rows = [("p", f"r.sub.score > {i} && r.sub.age < 90", f"data{i}", "read") for i in range(size)]
    last = size - 1
    asked = {
        "allow": (SimpleNamespace(score=size, age=80), f"data{last}", "read"),
        "miss": (SimpleNamespace(score=size, age=80), f"data{last}", "write"),
        "worst": (SimpleNamespace(score=size, age=95), f"data{last}", "read"),
    }
    return MODEL.format(request=PLAIN, policy="rule, obj, act", effect=ALLOW, matcher=matcher), rows, asked


def keymatch(size: int):
    """A path pattern a rule. Worst: a path of 1 kB that no pattern matches."""
    matcher = "keyMatch(r.obj, p.obj) && r.act == p.act"
    rows = [("p", "any", f"/team{i}/docs/*", "get") for i in range(size)]
    last = size - 1
    asked = {
        "allow": ("alice", f"/team{last}/docs/a/b", "get"),
        "miss": ("alice", f"/team{last}/code/a/b", "get"),
        "worst": ("alice", "/nobody" + "/a" * 500, "get"),
    }
    return MODEL.format(request=PLAIN, policy=PLAIN, effect=ALLOW, matcher=matcher), rows, asked


def deny(size: int):
    """Allow and deny rules over groups; a deny overrides any allow, so that all matches count. Worst: ten of them."""
    matcher = "g(r.sub, p.sub, 'all') && r.obj == p.obj && r.act == p.act"
    rows = [("p", f"group{i % 20}", f"data{i // 20}", "read", "allow" if i % 20 else "deny") for i in range(size)]
    rows += [("g", f"user{i}", f"group{1 + i % 19}", "all") for i in range(size)]
    rows += [("g", "busy", f"group{i}", "all") for i in range(1, 11)]
    last = (size - 1) // 20
    asked = {
        "allow": ("user3", f"data{last}", "read"),
        "miss": ("user3", f"data{last}", "write"),
        "worst": ("busy", f"data{last}", "read"),
    }
    return MODEL.format(request=PLAIN, policy="sub, obj, act, eft", effect=DENY, matcher=matcher), rows, asked


SCENARIOS = {"rbac": rbac, "abac": abac, "keymatch": keymatch, "deny": deny}


def timed(call: Callable[[], object], count: int) -> dict[str, float]:
    """Return median and p99 of a call in microseconds."""
    for _ in range(min(count, 100)):
        call()
    clock, samples = time.perf_counter_ns, []
    for _ in range(count):
        start = clock()
        call()
        samples.append(clock() - start)
    samples.sort()
    return {"median": samples[count // 2] / 1000, "p99": samples[count * 99 // 100] / 1000}


def memory() -> int:
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    return 0


def ours(scenario: str, size: int) -> dict[str, object]:
    model, rows, asked = SCENARIOS[scenario](size)
    compile_program(*SCENARIOS[scenario](100)[:2])
    before, start = memory(), time.perf_counter()
    program = compile_program(model, rows)
    seconds = time.perf_counter() - start
    held = memory() - before
    count = 20_000
    found = {name: timed(lambda request=request: program.evaluate(request), count) for name, request in asked.items()}
    assert program.evaluate(asked["allow"]).allowed
    assert not program.evaluate(asked["miss"]).allowed
    return {**found, "compile": seconds, "bytes": held, "rows": len(rows)}


def stock(scenario: str, size: int) -> dict[str, object]:
    model, rows, asked = SCENARIOS[scenario](size)
    start = time.perf_counter()
    enforcer = pycasbin(model, rows)
    seconds = time.perf_counter() - start
    found = {}
    for name, request in asked.items():
        once = timed(lambda request=request: enforcer.enforce(*request), 1)["median"]
        count = max(3, min(2_000, int(5e5 / once)))
        found[name] = timed(lambda request=request: enforcer.enforce(*request), count)
    assert enforcer.enforce(*asked["allow"])
    assert not enforcer.enforce(*asked["miss"])
    return {**found, "compile": seconds}


def pycasbin(model: str, rows: list[Row]) -> casbin.Enforcer:
    """Return a stock enforcer with rows, filled as an adapter fills it."""
    made = casbin.Enforcer(casbin.Enforcer.new_model(text=model))
    for row in rows:
        made.model[row[0][0]][row[0]].policy.append(list(row[1:]))
    made.build_role_links()
    return made


def first(links: int, engine: str) -> dict[str, object]:
    """Measure the first decision in a tenant of many members."""
    model, rows, _ = rbac(100)
    rows += [("g", f"member{i}", f"role{i % 10}", "tenant0") for i in range(links)]
    request = (f"member{links - 10}", "tenant0", "data0", "read")
    if engine == "pycasbin":
        enforcer = pycasbin(model, rows)
        return {"seconds": timed_once(lambda: enforcer.enforce(*request))}
    program = compile_program(model, rows)
    return {"seconds": timed_once(lambda: program.evaluate(request))}


def timed_once(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    assert call()
    return time.perf_counter() - start


def pack(name: str, members: int) -> dict[str, object]:
    """Measure a pack with one tenant of many members, each with a role and a group.

    Asked: what the member's role allows in the tenant; what the member's group was granted on the parent of a
    document, or where a pack knows no such grant the same again; and all of that for somebody without a role.
    """
    found = load_pack(ROOT / "policies" / name)
    base = compile_program(found.model_text, found.rows, functions=dict(FUNCTIONS), domain_match=dict(DOMAIN_MATCH))
    (role, kind, act), (granted, scope) = PACKS[name]
    rows = [("g", f"member:m{i}", role, "tenant:acme") for i in range(members)]
    rows += [("g", f"member:m{i}", f"group:g{i % 50}", "*") for i in range(members)]
    rows += [("g", "group:g5", granted, scope)] if scope else []
    before, start = memory(), time.perf_counter()
    program = base.with_rows(added=rows)
    seconds, held = time.perf_counter() - start, memory() - before
    schema = found.schema
    settings = {key: known.default for key, known in schema.settings.items()}
    tenant = Entity({**settings, "ref": "tenant:acme", "type": "tenant", "id": "acme"})
    env = Entity({key: known.default for key, known in schema.context.items()})

    def asked(who: str, kind: str, act: str, **parents: str) -> tuple[object, ...]:
        subject = {"status": "active", "mfa": True, "quota": 1, "ref": f"member:{who}", "type": "member", "id": who}
        known = schema.resources[kind].properties or {}
        thing = {**{key: each.default for key, each in known.items()}, "ref": f"{kind}:1", "type": kind, "id": "1"}
        return Entity(subject), tenant, Entity(thing, {kind: f"{kind}:1", **parents}), act, env

    requests = {"allow": asked("m5", kind, act), "miss": asked("nobody", kind, act)}
    requests["group"] = requests["allow"]
    if scope:
        requests["group"] = asked("m5", "document", "view", **{scope.partition(":")[0]: scope})
    assert [program.evaluate(request).allowed for request in requests.values()] == [True, False, True]
    grant = ("g", "member:new", granted or role, scope or "tenant:acme")
    return {
        **{key: timed(lambda request=request: program.evaluate(request), 20_000) for key, request in requests.items()},
        "compile": seconds,
        "bytes": held,
        "grant": timed(lambda: program.with_rows(added=[grant]), 500),
    }


def change(size: int) -> dict[str, object]:
    """Measure one grant, and one rule, added to and removed from a large program."""
    model, rows, _ = rbac(size)
    program = compile_program(model, rows)
    grant, rule = ("g", "new", "role1", "tenant1"), ("p", "role1", "tenant1", "new", "read")
    return {
        "grant": timed(lambda: program.with_rows(added=[grant]), 2_000),
        "revoke": timed(lambda: program.with_rows(removed=[rows[-20]]), 2_000),
        "rule": timed(lambda: program.with_rows(added=[rule]), 2_000),
        "unrule": timed(lambda: program.with_rows(removed=[rows[size // 2]]), 2_000),
    }


CASES = {"ours": ours, "stock": stock, "first": first, "pack": pack, "change": change}


def run(name: str, *arguments: object) -> dict:
    command = [sys.executable, __file__, "--case", json.dumps([name, *arguments])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def micro(found: dict) -> str:
    return f"{found['median']:,.1f} / {found['p99']:,.1f}"


def decisions(sizes: tuple[int, ...]) -> None:
    print("Microseconds per decision, median / p99.\n")
    print("| model | rules | engine | allow | deny miss | worst | compile s | MB | bytes a row |")
    print("|-|-:|-|-:|-:|-:|-:|-:|-:|")
    for scenario in SCENARIOS:
        for size in sizes:
            own = run("ours", scenario, size)
            times = " | ".join(micro(own[name]) for name in ("allow", "miss", "worst"))
            size_of = f"{own['bytes'] / 1e6:,.0f} | {own['bytes'] / own['rows']:,.0f}" if size >= 1_000 else " | "
            print(f"| {scenario} | {size:,} | sidegate | {times} | {own['compile']:.2f} | {size_of} |", flush=True)
            if size <= STOCK_LIMIT[scenario]:
                other = run("stock", scenario, size)
                times = " | ".join(micro(other[name]) for name in ("allow", "miss", "worst"))
                print(f"| | | pycasbin | {times} | {other['compile']:.2f} | | |", flush=True)


def packs(members: tuple[int, ...]) -> None:
    print("\nThe packs, with one tenant of many members, each with a role and a group.\n")
    print("| pack | members | by role µs | by a group's grant µs | deny miss µs | tenant built s | MB | one grant µs |")
    print("|-|-:|-:|-:|-:|-:|-:|-:|")
    for name in PACKS:
        for count in members:
            own = run("pack", name, count)
            times = " | ".join(micro(own[key]) for key in ("allow", "group", "miss"))
            size = f"{own['compile']:.2f} | {own['bytes'] / 1e6:,.0f}"
            print(f"| {name} | {count:,} | {times} | {size} | {micro(own['grant'])} |", flush=True)


def others(size: int, links: tuple[int, ...]) -> None:
    print("\n| first decision in a tenant of | sidegate ms | pycasbin ms |")
    print("|-|-:|-:|")
    for count in links:
        own = run("first", count, "sidegate")["seconds"] * 1000
        other = f"{run('first', count, 'pycasbin')['seconds'] * 1000:,.0f}" if count <= 4_000 else "not run"
        print(f"| {count:,} links | {own:,.3f} | {other} |", flush=True)
    found = run("change", size)
    print(f"\n| change to a program of {size:,} rules and as many links | µs |")
    print("|-|-:|")
    for name, what in (("grant", "a link added"), ("revoke", "a link removed"), ("rule", "a rule added")):
        print(f"| {what} | {micro(found[name])} |")
    print(f"| a rule removed | {micro(found['unrule'])} |", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="up to 10,000 rules")
    options.add_argument("--case", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.case:
        name, *arguments = json.loads(chosen.case)
        print(json.dumps(CASES[name](*arguments)))
        return
    sizes = tuple(size for size in SIZES if size <= 10_000) if chosen.quick else SIZES
    decisions(sizes)
    packs((100, 10_000) if chosen.quick else (100, 10_000, 100_000))
    others(min(100_000, sizes[-1]), (4_000,) if chosen.quick else (4_000, 100_000))


if __name__ == "__main__":
    main()
