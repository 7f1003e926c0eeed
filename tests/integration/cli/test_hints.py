"""A question with a misspelt name or a value of the wrong type is answered with what was probably meant."""

from __future__ import annotations

import json
import shutil

import pytest

from sidegate.policy.pack.registry import bundled_packs
from support.servers.cli import sidecar, sidegate

pytestmark = pytest.mark.server("--demo")


@pytest.fixture(scope="module")
def policies(tmp_path_factory):
    """A directory with the standard pack, changed so that it declares the address of the client as text."""
    directory = tmp_path_factory.mktemp("policies")
    shutil.copytree(bundled_packs() / "standard", directory / "standard")
    with (directory / "standard" / "pack.yaml").open("a") as file:
        file.write("\ncontext:\n  ip: {type: string}\n")
    return directory


@pytest.fixture(scope="module")
def changed(tmp_path_factory, policies):
    """A server with a pack that does not come with Sidegate."""
    with sidecar(tmp_path_factory.mktemp("changed"), "--demo", "--policies", policies) as running:
        yield running


def ask(server, *arguments, tenant="demo", **options):
    return sidegate(*arguments, "--address", server.address, "--tenant", tenant, **options)


MISSPELT = [
    (("check", "uma", "veiw", "document:contract"), "did you mean `view`?"),
    (("check", "uma", "view", "documnt:contract"), "did you mean `document`?"),
    (("list", "resources", "uma", "veiw", "document"), "did you mean `view`?"),
    (("list", "resources", "uma", "view", "documnt"), "did you mean `document`?"),
    (("list", "subjects", "veiw", "document:contract"), "did you mean `view`?"),
    (("list", "actions", "uma", "documnt:contract"), "did you mean `document`?"),
]


@pytest.mark.parametrize(("words", "hint"), MISSPELT)
def test_a_misspelt_action_or_type_gets_the_declared_one(server, words, hint):
    """The deny is the answer; the hint goes to standard error, after what a deny has always printed."""
    done = ask(server, *words)
    assert (done.code, done.err) == (0, f"hint: {hint}\n")
    assert "(unknown_" in done.out
    assert "hint" not in done.out


def test_a_name_that_is_near_none_gets_all_that_are_declared(server):
    """A word without a likeness is answered with the words that would be right."""
    done = ask(server, "check", "uma", "frobnicate", "document:contract")
    assert done.err.startswith("hint: expected one of `comment`, `delete`, ")


@pytest.mark.parametrize("words", [("check", "uma", "view", "document:contract"), ("list", "actions", "uma", "group")])
def test_a_misspelt_tenant_gets_the_known_one(server, words):
    """The platform, which asks here, may list all tenants."""
    done = ask(server, *words, tenant="dmeo")
    assert (done.code, done.err) == (0, "hint: did you mean `demo`?\n")
    assert ask(server, *words, tenant="nothing-like-it").err == ""


def test_commands_about_a_tenant_suggest_the_known_one(server):
    """Where an unknown tenant is an error, the error has the hint; a member may not learn of tenants that way."""
    done = ask(server, "member", "list", tenant="dmeo")
    assert done.code == 2
    assert done.err == "error: there is no tenant `dmeo` (NOT_FOUND)\nhint: did you mean `demo`?\n"
    assert "demo" not in ask(server, "member", "list", "--actor", "member:uma", tenant="dmeo").err


@pytest.mark.parametrize("words", [words for words, _ in MISSPELT])
def test_the_exit_code_and_the_json_of_a_deny_are_as_without_a_hint(server, words):
    """JSON on standard output stays the answer of the wire, also where there is a hint."""
    done = ask(server, *words, "--json")
    answer = json.loads(done.out)
    assert (answer.get("outcome") or answer)["reason"].startswith("unknown_")
    assert done.err.startswith("hint: ")


def test_a_deny_for_a_misspelt_name_is_a_code_where_asked(server):
    """A script with --exit-code fails on a misspelt action as on every deny."""
    assert ask(server, "check", "--exit-code", "uma", "veiw", "document:contract").code == 1


def test_an_allow_and_a_common_deny_have_no_hint(server):
    """Nothing is written to standard error where no name is unknown."""
    for action in ("view", "send"):
        assert ask(server, "check", "uma", action, "document:contract").err == ""


def test_a_pack_that_only_the_server_has_is_asked_for_what_it_lists(changed):
    """Without the pack on this machine the names are those that the server lists, and a type can have none."""
    assert ask(changed, "check", "uma", "veiw", "document:contract").err == "hint: did you mean `view`?\n"
    assert ask(changed, "check", "uma", "view", "documnt:contract").err == "hint: did you mean `document`?\n"
    assert ask(changed, "check", "uma", "frobnicate", "document:contract").err == ""


def test_a_pack_on_this_machine_is_found_by_the_setting_of_the_server(changed, policies):
    """SIDEGATE_POLICIES names the packs, and the digest of the answer says which of them decided."""
    done = ask(changed, "check", "uma", "view", "grup:sales", env={"SIDEGATE_POLICIES": str(policies)})
    assert done.err == "hint: did you mean `group`?\n"


@pytest.mark.parametrize(
    ("flag", "value", "quoted"),
    [
        ("--context", "ip=10", "--context 'ip=\"10\"'"),
        ("--context", "ip=true", "--context 'ip=\"true\"'"),
        ("--context", "ip=null", "--context 'ip=\"null\"'"),
    ],
)
def test_a_number_for_a_text_is_refused_with_the_way_to_quote_it(changed, flag, value, quoted):
    """The hint is a line to paste, and what it says is accepted."""
    question = ("check", "uma", "view", "document:contract")
    done = ask(changed, *question, flag, value)
    assert (done.code, done.out) == (2, "")
    assert "the pack declares it as string" in done.err
    assert done.err.endswith(f"hint: the value was read as JSON; to send it as text, quote it: {quoted}\n")
    assert ask(changed, *question, flag, quoted.split("'")[1]).out.startswith("ALLOW")


def test_a_text_for_a_text_needs_no_quotes(changed):
    """An address with dots is no JSON, and is sent as text."""
    assert ask(changed, "check", "uma", "view", "document:contract", "--context", "ip=10.0.0.1").code == 0
