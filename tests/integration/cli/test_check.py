"""`sidegate check` and `healthcheck` against a real server in a process of its own."""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess

import pytest

from support.servers.cli import PROGRAM, environment, sidegate
from support.servers.ports import reserved_port

pytestmark = pytest.mark.server("--demo")


@pytest.fixture
def check(server):
    def run(*arguments, **options):
        return sidegate("check", "--address", server.address, "--tenant", "demo", *arguments, **options)

    return run


def test_the_line_that_serve_prints_shows_an_allow_and_a_deny(server):
    """Pasted as it is, it answers both ways, each with the rule that decided."""
    line = next(line for line in server.announced.splitlines() if "sidegate check" in line)
    done = subprocess.run(line, shell=True, capture_output=True, text=True, env=environment(), check=True)
    allow, deny = done.stdout.split("DENY")
    assert allow.startswith("ALLOW member:uma view document:contract in demo\n  rule        ST-")
    assert "\n  rule        ST-" in deny
    assert "the member's quota is used up (quota_exhausted)" in deny
    assert "\x1b" not in done.stdout


def test_json_is_the_answer_of_the_wire(check):
    """`--json` holds every field of the response, by its name in the contract."""
    done = check("uma", "view", "document:contract", "--json")
    answer = json.loads(done.out)
    assert done.code == 0
    assert answer["decision"] == "DECISION_ALLOW"
    assert set(answer) == {
        "decision",
        "reason",
        "rule",
        "decision_id",
        "policy_digest",
        "revision",
        "obligations",
    }
    again = check("uma", "view", "document:contract", "--at-least-as-fresh", answer["revision"])
    assert (again.code, again.out.split()[0]) == (0, "ALLOW")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("uma", "view", "document:contract"), 0),
        (("uma", "view", "document:contract", "--exit-code"), 0),
        (("uma", "send", "document:contract"), 0),
        (("uma", "send", "document:contract", "--exit-code"), 1),
    ],
)
def test_a_deny_is_an_exit_code_only_where_asked(check, arguments, code):
    """A deny is an answer; scripts ask for it as a code."""
    assert check(*arguments).code == code


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (("member:uma", "view", "document:contract"), "member:uma view document:contract"),
        (("service:billing", "view", "document:contract"), "service:billing view document:contract"),
        (("olivia", "register", "template"), "member:olivia register template:*"),
        (("olivia", "register", "template:*"), "member:olivia register template:*"),
    ],
)
def test_subject_and_resource_have_short_forms(check, arguments, asked):
    """A bare subject is a member, a bare type is the type as a whole."""
    assert check(*arguments).out.partition(" ")[2].startswith(f"{asked} in demo\n")


def test_every_way_to_say_more_reaches_the_server(check):
    """Properties, claims, context and freshness are accepted together."""
    more = ("--property", "status=draft", "--subject-property", 'tags=["a"]', "--context", "ip=10.0.0.1")
    assert check("uma", "view", "document:contract", *more, "--fully-consistent").out.startswith("ALLOW")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", "view", "document:contract"), "subject.id: is empty"),
        (("uma", "VIEW!", "document:contract"), "action: "),
        (("uma", "view", "Document:contract"), "resource.type: "),
        (("uma", "view", "document:contract", "--at-least-as-fresh", "x"), "consistency.at_least_as_fresh: "),
    ],
)
def test_what_the_server_refuses_is_shown_field_by_field(check, arguments, message):
    """Every violation is a line, and the exit code is 2."""
    done = check(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: the server refuses the request (INVALID_INPUT)\n  ")
    assert message in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--property", "status"), "expected `name=value`, such as `status=draft`"),
        (("--timeout", "0"), "is not in the range x>0"),
        (("--at-least-as-fresh", "x", "--fully-consistent"), "exclude each other"),
    ],
)
def test_wrong_usage_is_an_error_before_the_server_is_asked(check, arguments, message):
    """Usage errors name the flag, and the exit code is 2."""
    done = check("uma", "view", "document:contract", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


@pytest.mark.parametrize("value", ["draft", "1e999", "9" * 400, "NaN", "[1", '{"a": [1, 2.5, -3e2, null]}', ""])
def test_a_value_that_no_number_of_the_wire_can_hold_is_text(check, value):
    """Every value that a shell passes is sent, as JSON or as text."""
    assert check("uma", "view", "document:contract", "--property", f"note={value}").out.startswith("ALLOW")


@pytest.mark.parametrize("flag", ["--property=note=\udcff", '--property=note="\\ud800"', "--context=\udcff=1"])
def test_what_is_not_utf8_is_a_sentence(check, flag):
    """Bytes that no message of the wire can hold are an error, without a traceback."""
    done = check("uma", "view", "document:contract", flag)
    assert (done.code, done.err) == (2, "error: an argument is not UTF-8 text\n")


def test_the_tenant_must_be_named_somewhere():
    """Without --tenant and SIDEGATE_TENANT nothing is asked."""
    done = sidegate("check", "uma", "view", "document:contract")
    assert done.code == 2
    assert "--tenant" in done.err


def test_address_and_tenant_can_come_from_the_environment(server):
    """A shell that works with one sidecar names it once."""
    env = {"SIDEGATE_ADDRESS": server.address, "SIDEGATE_TENANT": "demo"}
    assert sidegate("check", "uma", "view", "document:contract", env=env).out.startswith("ALLOW")


def test_no_proxy_is_used_between_a_client_and_its_sidecar(server):
    """A proxy in the environment is not used to reach a sidecar."""
    env = {"http_proxy": "http://127.0.0.1:9", "grpc_proxy": "http://127.0.0.1:9"}
    done = sidegate(
        "check", "--address", server.address, "--tenant", "demo", "uma", "view", "document:contract", env=env
    )
    assert done.out.startswith("ALLOW")


@pytest.fixture
def silent_port():
    """A port that accepts connections and never sends anything."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_no_server_is_a_sentence_with_what_to_do():
    """No server at the address: could not decide, exit code 3, no traceback."""
    address = f"127.0.0.1:{reserved_port()}"
    done = sidegate("check", "--address", address, "--tenant", "demo", "uma", "view", "document:d1")
    assert done.code == 3
    assert done.err == (
        f"error: no server answers at `{address}`; start one with `sidegate serve`, or name it with --address\n"
    )


def test_a_server_that_never_answers_ends_in_time(silent_port):
    """The timeout holds while the connection is being made, too."""
    address = f"127.0.0.1:{silent_port}"
    done = sidegate("check", "--address", address, "--timeout", "0.3", "--tenant", "demo", "uma", "view", "document")
    assert (done.code, done.err) == (3, f"error: no answer from `{address}` within 0.3 s\n")


@pytest.mark.parametrize("address", ["8282", "localhost", "127.0.0.1:99999", "unix:relative", ""])
def test_an_address_of_no_known_form_is_a_usage_error(address):
    """The two forms are named."""
    done = sidegate("healthcheck", "--address", address)
    assert done.code == 2
    assert "expected `host:port`, or `unix:/path`" in done.err


def test_healthcheck_reports_a_server_that_serves(server):
    """One word and 0, for the server and for one service of it."""
    for service in ((), ("--service", "sidegate.authz.v1.AuthorizationService")):
        done = sidegate("healthcheck", "--address", server.address, *service)
        assert (done.code, done.out, done.err) == (0, "SERVING\n", "")


def test_healthcheck_fails_where_nothing_serves(server):
    """An unknown service and an address without a server are 1 and one line."""
    for arguments in (
        ("--address", server.address, "--service", "nobody.Service"),
        ("--address", f"[::1]:{reserved_port()}"),
    ):
        done = sidegate("healthcheck", *arguments)
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)


def test_a_terminal_gets_colour(server):
    """On a terminal ALLOW is green; NO_COLOR turns it off."""
    command = [PROGRAM, "check", "--address", server.address, "--tenant", "demo", "uma", "view", "document:contract"]
    coloured, plain = (on_terminal(command, environment(TERM="xterm", **extra)) for extra in ({}, {"NO_COLOR": "1"}))
    assert "\x1b[1;32mALLOW" in coloured
    assert "32m" not in plain


def on_terminal(command, env) -> str:
    master, slave = pty.openpty()
    with subprocess.Popen(command, stdout=slave, stderr=slave, stdin=slave, env=env) as process:
        os.close(slave)
        shown = b""
        try:
            while part := os.read(master, 4096):
                shown += part
        except OSError:  # the other side is closed
            pass
        finally:
            os.close(master)
        process.wait()
    return shown.decode()
