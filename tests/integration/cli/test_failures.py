"""What clients print when the server could not decide, refuses, or goes away."""

from __future__ import annotations

import asyncio

import pytest

from sidegate.errors import EvaluationError, FactsError, Fault, RevisionConflict, StoreUnavailable, TooStale
from support.servers.cli import PROGRAM, Done, environment
from support.servers.sidecar import ScriptedDecider, ScriptedFacts, serving

QUESTION = ("--tenant", "acme", "tina", "register", "template")


async def run(server, *arguments) -> Done:
    """Run a command beside the server of this process."""
    command = (PROGRAM, *arguments, "--address", server.addresses[0])
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(*command, **pipes, env=environment())
    out, err = await process.communicate(b"tenants: {}\n")
    return Done(process.returncode, out.decode(), err.decode())


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TooStale("the facts are older than 5 s"), "error: the facts are older than 5 s (TOO_STALE)\n"),
        (StoreUnavailable("password is hunter2"), "error: the store does not answer; try again (STORE_UNAVAILABLE)\n"),
        (EvaluationError("r.sub.x"), "error: could not decide: the policy can't be evaluated for this request "),
        (ZeroDivisionError(), "error: something went wrong inside sidegate; its log has the details (INTERNAL)\n"),
    ],
)
async def test_could_not_decide_is_exit_code_3_with_the_reason(error, expected):
    """When the server could not decide, for any reason, nothing is printed that looks like an answer."""
    async with serving(ScriptedDecider({"acme": error})) as server:
        done = await run(server, "check", *QUESTION, "--exit-code", "--json")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith(expected)


async def test_another_writer_is_no_bad_input():
    """A conflict can be retried: exit code 3."""
    facts = ScriptedFacts(error=RevisionConflict("tenant `acme` is at another revision"))
    async with serving(facts=facts) as server:
        done = await run(server, "facts", "apply", "-")
    assert done.code == 3
    assert "(REVISION_CONFLICT)" in done.err


async def test_faults_of_facts_name_their_location_once():
    """File, line and key are in each line once."""
    faults = (Fault("<stdin>", 3, "tenants.a", "first"), Fault("<stdin>", 4, "tenants.b", "second"))
    async with serving(facts=ScriptedFacts(error=FactsError(*faults))) as server:
        done = await run(server, "facts", "plan", "-")
    assert done.code == 2
    assert done.err.splitlines()[1:] == ["  <stdin>:3: tenants.a: first", "  <stdin>:4: tenants.b: second"]


async def test_apply_says_who_and_from_where():
    """The server receives source and actor, and an empty caller; without --yes it is first asked what would change."""
    facts = ScriptedFacts()
    plan, apply = ("plan", "tenants: {}\n", "<stdin>"), ("apply", "tenants: {}\n", "<stdin>", "ops", "")
    async with serving(facts=facts) as server:
        assert (await run(server, "facts", "apply", "-", "--actor", "ops", "--yes")).code == 0
        assert (await run(server, "facts", "apply", "-", "--actor", "ops")).code == 0
        assert (await run(server, "facts", "plan", "-")).code == 0
    assert facts.calls == [apply, plan, apply, plan]


async def test_a_server_that_goes_away_is_named_as_the_cause():
    """A connection that ends before the answer is not taken for one that was never there."""

    async def vanish(_reader, writer):
        writer.close()

    listener = await asyncio.start_server(vanish, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    command = (PROGRAM, "check", *QUESTION, "--address", f"{host}:{port}")
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment()
    )
    out, err = await process.communicate()
    listener.close()
    assert (process.returncode, out) == (3, b"")
    assert f"{host}:{port}".encode() in err
    assert b"Traceback" not in err


async def test_healthcheck_fails_while_the_server_cannot_decide():
    """A probe takes a sidecar whose facts are too old out of service."""
    async with serving(ready=lambda: False) as server:
        done = await run(server, "healthcheck")
    assert (done.code, done.out) == (1, "NOT_SERVING\n")


async def test_enforce_answers_each_line_as_it_comes(tmp_path):
    """A program on the other end of the pipe can wait for each answer."""
    (tmp_path / "m.conf").write_text(
        "[request_definition]\nr = sub\n[policy_definition]\np = sub\n"
        "[policy_effect]\ne = some(where (p.eft == allow))\n[matchers]\nm = r.sub == p.sub\n"
    )
    (tmp_path / "p.csv").write_text("p, alice\n")
    files = ("--model", str(tmp_path / "m.conf"), "--policy", str(tmp_path / "p.csv"), "--requests", "-")
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "enforce", *files, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment()
    )
    for name, answer in (
        ("alice", b'{"allow": true, "explain": ["alice"]}\n'),
        ("bob", b'{"allow": false, "explain": []}\n'),
    ):
        process.stdin.write(f'["{name}"]\n'.encode())
        assert await process.stdout.readline() == answer
    process.stdin.close()
    assert await process.wait() == 0
