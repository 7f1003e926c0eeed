"""Help ends in examples, is quick, and every example is accepted."""

from __future__ import annotations

import shlex
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from sidegate.cli.app import cli
from sidegate.cli.shell.commands import LazyGroup
from support.commands import commands

HEAVY = ("casbin", "grpc", "pydantic", "rich", "sqlalchemy", "yaml")


ALL = dict(commands())
LINES = sorted({line for command in [cli, *ALL.values()] for _, line in command.examples})


def named(path) -> str:
    return " ".join(path)


@pytest.mark.parametrize("path", ALL, ids=named)
def test_help_of_each_command_ends_in_examples(path):
    """`--help` of a command exits with 0 and shows lines that can be typed."""
    result = CliRunner().invoke(cli, [*path, "--help"])
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert ALL[path].examples
    for _, line in ALL[path].examples:
        assert line in result.output


@pytest.mark.parametrize("line", LINES)
def test_each_example_is_accepted(line):
    """An example in the help is a line that the parser takes to the end."""
    words = shlex.split(line.partition(" > ")[0])
    assert words[0] == "sidegate"
    group, context, arguments = cli, cli.make_context("sidegate", words[1:]), words[1:]
    while isinstance(group, LazyGroup):
        name, command, arguments = group.resolve_command(context, arguments)
        context = command.make_context(name, list(arguments), parent=context)
        group = command
    assert isinstance(command, click.Command)


@pytest.mark.parametrize("path", ALL, ids=named)
def test_the_list_of_commands_says_what_the_command_says(path):
    """A group lists each command by the first sentence of its help, which it reads without importing it."""
    parent = ALL[path[:-1]] if path[:-1] else cli
    unloaded, loaded = parent.commands[path[-1]], ALL[path]
    assert unloaded is not loaded
    assert unloaded.get_short_help_str(limit=200) == loaded.get_short_help_str(limit=200) != ""


def test_help_names_exit_codes_and_completion():
    """The first page that a new user sees names the exit codes and how to get completion."""
    output = CliRunner().invoke(cli, ["--help"]).output
    for part in ("0  done", "1  denied", "2  bad input", "3  could not decide", "_SIDEGATE_COMPLETE=bash_source"):
        assert part in output


def test_help_and_version_import_nothing_heavy():
    """The first page appears quickly: no package behind a command is imported for it."""
    program = (
        "import sys; from sidegate.cli.app import cli\n"
        "try: cli(['--help'], prog_name='sidegate')\n"
        f"except SystemExit: print(*(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Examples:" in done.stdout
    assert done.stderr.split() == []


def test_a_mistyped_command_gets_the_nearest():
    """An unknown command is a usage error that names the one that was meant."""
    result = CliRunner().invoke(cli, ["chekc"])
    assert result.exit_code == 2
    assert "Did you mean 'check'?" in result.output


def test_version_names_the_main_libraries():
    """`version --json` names Sidegate and the libraries whose versions matter in a report."""
    result = CliRunner().invoke(cli, ["version", "--json"])
    assert result.exit_code == 0
    for name in ("sidegate", "python", "grpcio", "pycasbin", "sqlalchemy"):
        assert f'"{name}"' in result.output


def completions(words: str) -> list[str]:
    """Return what bash is offered for the last word, each with its kind."""
    env = {"_SIDEGATE_COMPLETE": "bash_complete", "COMP_WORDS": f"sidegate {words}"}
    env["COMP_CWORD"] = str(len(f"{words}.".split()))
    return CliRunner().invoke(cli, [], prog_name="sidegate", env=env).output.splitlines()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("che", ["plain,check"]),
        ("policy te", ["plain,test"]),
        ("policy test --thr", ["plain,--through"]),
        ("policy test --through s", ["plain,service"]),
        ("policy show st", ["plain,standard"]),
        ("policy show ./st", ["dir,./st"]),
        ("tenant create --pack ef", ["plain,eformsign"]),
        ("serve --default-pack en", ["plain,engagelab"]),
        ("serve --engine ", ["plain,indexed", "plain,reference"]),
        ("enforce --engine r", ["plain,reference"]),
        ("policy test --engine i", ["plain,indexed"]),
        ("serve --policies pol", ["dir,pol"]),
        ("serve --config sid", ["file,sid"]),
        ("enforce --model mod", ["file,mod"]),
        ("enforce --requests r", ["file,r"]),
        ("facts plan fa", ["file,fa"]),
        ("facts apply fa", ["file,fa"]),
        ("facts export acme --output fa", ["file,fa"]),
        ("member invite --file peo", ["file,peo"]),
        ("member sheet peo", ["file,peo"]),
        ("report audit --output a", ["file,a"]),
        ("policy lint pol", ["file,pol"]),
    ],
)
def test_the_shell_completes_commands_flags_and_values(words, expected):
    """Commands, flags, choices, packs, engines and files are completed, also in groups that are not imported yet."""
    assert completions(words) == expected


def test_every_flag_and_argument_for_a_file_completes_files():
    """No parameter that is shown as a file or directory is left to be typed whole."""
    for path, command in ALL.items():
        for param in command.params:
            if (param.metavar or param.name) in ("FILE", "DIRECTORY", "file"):
                (item,) = param.shell_complete(click.Context(command), "x")
                assert item.type in ("file", "dir"), (path, param.name)


def test_zsh_shows_what_each_command_does():
    """The descriptions beside the names are those of the help, though the commands are not imported."""
    env = {"_SIDEGATE_COMPLETE": "zsh_complete", "COMP_WORDS": "sidegate gra", "COMP_CWORD": "1"}
    output = CliRunner().invoke(cli, [], prog_name="sidegate", env=env).output
    assert output.split("\n")[:2] == ["plain", "grant"]
    assert "roles" in output.split("\n")[2]
