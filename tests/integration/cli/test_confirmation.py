"""Every command that destroys something, or stops a tenant, asks first and in the same way."""

from __future__ import annotations

import itertools
import json
import os
import pty
import subprocess
from dataclasses import dataclass, replace

import pytest
from click.testing import CliRunner

from sidegate.cli.app import cli
from sidegate.cli.shell import confirmation
from support.commands import commands, commands_with_yes
from support.servers.cli import PROGRAM, Done, environment

FACTS = """\
tenants:
  {tenant}:
    pack: standard
    members:
      ann: {{roles: [owner]}}
      uma: {{roles: [admin]}}
    groups:
      sales: {{name: Sales, members: [uma]}}
    roles:
      Reviewer: {{permissions: {{document: [view]}}}}
    resources:
      template:nda: {{owner: ann}}
      document:d1: {{parents: [template:nda], owner: uma}}
"""
NUMBERS = itertools.count()


@dataclass(frozen=True)
class Company:
    """A tenant on a server, and the answer that somebody would type on a terminal; None where there is no terminal."""

    address: str
    tenant: str
    typed: str | None = None

    def run(self, *words: str, stdin: str | None = None) -> Done:
        """Run a command about the tenant in this process."""
        env = environment(SIDEGATE_ADDRESS=self.address, SIDEGATE_TENANT=self.tenant)
        result = CliRunner().invoke(cli, [*words], input=stdin or self.typed, env=env, prog_name="sidegate")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    def on_terminal(self, typed: str) -> Company:
        """Return the same with somebody at the terminal."""
        return replace(self, typed=typed)

    def facts(self) -> str:
        """Return all facts of the tenant."""
        exported = self.run("facts", "export", self.tenant)
        assert exported.code == 0, exported.err
        return exported.out


@pytest.fixture
def company(server, tmp_path):
    """A new tenant with one thing of each kind, and beside it another one with a role of its own."""
    made = Company(server.address, f"acme{next(NUMBERS)}")
    file = tmp_path / "facts.yaml"
    other = FACTS.format(tenant=f"{made.tenant}-other").removeprefix("tenants:\n")
    file.write_text(FACTS.format(tenant=made.tenant) + other.replace("[view]", "[edit]"))
    assert made.run("facts", "apply", str(file), "--yes").code == 0
    file.write_text(FACTS.format(tenant=made.tenant).replace("      uma: {roles: [admin]}\n", "").replace("uma", "ann"))
    return made


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    """Take the test for a terminal where a company has somebody at it."""
    seen = Company.run

    def run(self, *words, **options):
        monkeypatch.setattr(confirmation, "on_terminal", lambda: self.typed is not None)
        return seen(self, *words, **options)

    monkeypatch.setattr(Company, "run", run)


@dataclass(frozen=True)
class Case:
    """A dangerous command, how its question names what it does, and what it shows that will be lost."""

    command: str
    action: str
    losses: tuple[str, ...]


CASES = [
    Case("group delete sales", "delete group `sales`", ("members: member:uma",)),
    Case("role delete Reviewer", "delete role `Reviewer`", ("Reviewer: document:view",)),
    Case("resource delete document:d1", "delete `document:d1`", ("template:nda", "member:uma holds owner on it")),
    Case("tenant suspend", "suspend tenant `{tenant}`", ("2 members are denied everything",)),
    Case("tenant delete", "delete tenant `{tenant}`", ("members 2", "resources 2")),
    Case(
        "member delete uma --transfer-to ann", "delete member `uma`", ("roles: admin", "documents: 1, which go to ann")
    ),
    Case("member delete uma --delete-documents", "delete member `uma`", ("roles: admin", "documents: 1")),
    Case("member deactivate uma --delete-documents", "delete the documents of `uma`", ("it owns document:d1",)),
    Case(
        "role copy Reviewer {tenant}-other --replace", "replace role `Reviewer` in other tenants", ("{tenant}-other",)
    ),
    Case("facts apply {file}", "apply `{file}`", ("{tenant}: delete member uma",)),
]
EACH = pytest.mark.parametrize("case", CASES, ids=[case.command for case in CASES])


def test_the_table_of_these_tests_is_whole():
    """Every command that asks, and every one that is called delete, is tested here."""
    dangerous = {" ".join(path) for path, _ in commands() if path[-1] == "delete"}
    assert dangerous | {*commands_with_yes()} == {" ".join(case.command.split()[:2]) for case in CASES}


@pytest.fixture
def filled(company, tmp_path):
    """Return a text with the names of the test's tenant and file."""
    return lambda text: text.format(tenant=company.tenant, file=tmp_path / "facts.yaml")


def everything(company: Company) -> str:
    """Return all that the commands could destroy."""
    state = company.run("tenant", "show").out
    return state + company.facts() + replace(company, tenant=f"{company.tenant}-other").facts()


@EACH
def test_without_a_terminal_nothing_is_done(company, filled, case):
    """The exit code is 2, and the error names --yes and what would be lost."""
    before = everything(company)
    done = company.run(*filled(case.command).split())
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: no terminal to ask on: add --yes")
    assert f", to {filled(case.action)}; nothing was changed\n" in done.err
    for loss in case.losses:
        assert filled(loss) in done.err
    assert everything(company) == before


@EACH
@pytest.mark.parametrize("typed", ["n\n", "\n", ""])
def test_without_a_yes_on_the_terminal_nothing_is_done(company, filled, case, typed):
    """No, only Enter, and the end of the input are no confirmation; what would be lost was shown."""
    before = everything(company)
    done = company.on_terminal(typed).run(*filled(case.command).split())
    assert (done.code, done.out) == (2, "")
    assert f"This will {filled(case.action)}:\n" in done.err
    for loss in case.losses:
        assert filled(loss) in done.err
    assert done.err.endswith("error: not confirmed; nothing was changed\n")
    assert everything(company) == before


@EACH
def test_yes_on_the_terminal_does_it(company, filled, case):
    """The question goes to standard error, so that standard output is what it is with --yes."""
    done = company.on_terminal("y\n").run(*filled(case.command).split())
    assert (done.code, "Go on? [y/N]" in done.err) == (0, True), done.err
    assert done.out != ""
    assert "Go on?" not in done.out


@EACH
def test_the_flag_does_it_without_a_question(company, filled, case):
    """A script gives --yes, and standard error is empty."""
    before = everything(company)
    done = company.run(*filled(case.command).split(), "--yes")
    assert (done.code, done.err) == (0, "")
    assert company.run("tenant", "show").code or everything(company) != before


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        ("group remove sales uma", False),
        ("grant remove admin uma", False),
        ("role disallow Reviewer document:view", False),
        ("member deactivate uma --keep-documents", True),
        ("role copy Reviewer {tenant}-other", True),
        ("resource hand-over uma ann", False),
    ],
)
def test_what_destroys_nothing_is_not_asked(company, filled, command, flag):
    """There is no question; only commands that can destroy with another option have the flag."""
    words = filled(command).split()
    assert "--yes" not in company.run(*words).err
    assert ("Do it without asking." in company.run(*words[:2], "--help").out) is flag


def test_a_facts_file_that_deletes_nothing_is_written(company, tmp_path):
    """A grant or a member of a group that the file does not name is removed without a question, as by its command."""
    file = tmp_path / "facts.yaml"
    file.write_text(FACTS.format(tenant=company.tenant).replace("members: [uma]", "members: []"))
    done = company.run("facts", "apply", str(file))
    assert (done.code, done.err) == (0, "")
    assert "- group sales: member:uma" in done.out


def test_a_facts_file_that_suspends_a_tenant_is_confirmed(company, tmp_path):
    """What `tenant suspend` asks, a file is asked as well."""
    file = tmp_path / "facts.yaml"
    file.write_text(FACTS.format(tenant=company.tenant) + "    suspended: true\n")
    done = company.run("facts", "apply", str(file))
    assert (done.code, done.out) == (2, "")
    assert f"  {company.tenant}: suspend the tenant\n" in done.err
    assert company.run("facts", "apply", str(file), "--yes").code == 0
    assert company.run("facts", "apply", str(file)).code == 0


def test_facts_from_a_pipe_need_the_flag(company, tmp_path):
    """Standard input is the document, and can't be the answer."""
    text = (tmp_path / "facts.yaml").read_text()
    assert company.run("facts", "apply", "-", stdin=text).code == 2
    assert company.run("facts", "apply", "-", "--yes", stdin=text).code == 0


@pytest.mark.parametrize("words", [("tenant", "delete"), ("member", "delete", "uma", "--delete-documents")])
def test_a_script_can_confirm_with_the_token_of_a_first_call(company, words):
    """The first call prints JSON with the token and exits with 2, the second one deletes."""
    first = company.run(*words, "--json")
    token = json.loads(first.out)["confirmation_token"]
    assert first.code == 2
    assert f"add --yes, or --confirm {token} within ten minutes, to delete" in first.err
    second = company.run(*words, "--json", "--confirm", token)
    assert (second.code, json.loads(second.out)["deleted"], second.err) == (0, True, "")


def test_a_token_of_something_else_deletes_nothing(company):
    """A wrong token is no confirmation."""
    before = everything(company)
    token = json.loads(company.run("tenant", "delete", "--json").out)["confirmation_token"]
    assert company.run("member", "delete", "uma", "--delete-documents", "--confirm", token).code == 2
    assert everything(company) == before


def test_what_the_actor_may_not_see_does_not_keep_it_from_deleting(company):
    """A refusal of the preview is a line of it; whether the deletion is permitted is decided by the server alone."""
    done = company.run("group", "delete", "sales", "--actor", "member:nobody")
    assert done.code == 2
    assert "(not shown: " in done.err


def test_what_is_not_there_is_said_instead_of_asked(company):
    """A misspelt name is the server's error, not a question."""
    done = company.on_terminal("y\n").run("group", "delete", "salse")
    assert done.code == 2
    assert "Go on?" not in done.err


def test_a_real_terminal_is_asked(company):
    """A process whose input and output are a terminal shows the question and reads the answer there."""
    command = [PROGRAM, "group", "delete", "sales", "--address", company.address, "--tenant", company.tenant]
    assert "Go on? [y/N]" in typed_on_terminal(command, b"n\n")
    assert "sales" in company.facts()
    assert "group sales is deleted" in typed_on_terminal(command, b"y\n")
    assert "sales" not in company.facts()


def typed_on_terminal(command, answer: bytes) -> str:
    """Run a command on a terminal, type the answer to its question, and return what was shown."""
    master, slave = pty.openpty()
    with subprocess.Popen(command, stdout=slave, stderr=slave, stdin=slave, env=environment(TERM="dumb")) as process:
        os.close(slave)
        shown = b""
        try:
            while part := os.read(master, 4096):
                shown += part
                if b"[y/N]" in shown and answer:
                    os.write(master, answer)
                    answer = b""
        except OSError:  # the other side is closed
            pass
        finally:
            os.close(master)
        process.wait()
    return shown.decode()
