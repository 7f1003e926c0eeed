"""Tables: aligned lines in a pipe, rules and colour on a terminal, and never markup."""

from __future__ import annotations

import io
import json
import unicodedata

import pytest
from rich.console import Console
from rich.text import Text

from sidegate.cli.shell.console import console, print_json, print_table, styled
from sidegate.cli.shell.failures import Failure, show_hint
from sidegate.cli.shell.output import echo
from sidegate.model.identifiers import visible


def test_a_pipe_gets_aligned_lines_without_trailing_spaces(capsys):
    """Wide characters count as they show."""
    print_table(console(), ("name", "what"), [("日本", "x"), ("abcdef", Text("y", "red")), ("a", "")])
    assert capsys.readouterr().out == "name    what\n日本    x\nabcdef  y\na\n"


def test_a_table_without_rows_is_its_headers(capsys):
    """The headers show that nothing was found."""
    print_table(console(), ("name", "what"), [])
    assert capsys.readouterr().out == "name  what\n"


def test_text_is_never_taken_for_markup(capsys):
    """A name with brackets or colons prints as it is."""
    console().print(Text("[red]"), "[bold]x[/]", ":smile:")
    assert capsys.readouterr().out == "[red] [bold]x[/] :smile:\n"


def test_a_long_line_in_a_pipe_is_not_broken(capsys):
    """A consumer of lines gets whole lines."""
    console().print("x" * 500)
    assert capsys.readouterr().out == "x" * 500 + "\n"


def test_a_terminal_gets_a_ruled_table_that_loses_nothing():
    """A narrow terminal folds cells instead of cutting them."""
    target = Console(file=io.StringIO(), force_terminal=True, width=30, color_system=None)
    print_table(target, ("location",), [("policies/standard/tests/documents.yaml:12",)])
    shown = target.file.getvalue()
    assert "─" in shown
    assert "".join(shown.split()).endswith("policies/standard/tests/documents.yaml:12")


INVISIBLE = "\x1b[2J\u202e\u200b\ufeff\u2028\x07"
ESCAPED = r"\x1b[2J\u202e\u200b\ufeff\u2028\x07"


@pytest.mark.parametrize(
    "show",
    [
        lambda text: echo(f"{text}!"),
        lambda text: echo(f"{text}!", err=True),
        lambda text: console().print(styled(f"{text}!", "red")),
        lambda text: print_table(console(), ("name",), [(f"{text}!",)]),
        lambda text: print_table(Console(force_terminal=True, color_system=None, width=99), ("name",), [(f"{text}!",)]),
        lambda text: Failure(f"{text}!", exit_code=2).show(),
        lambda text: Failure("no", exit_code=2, details=[f"{text}!"]).show(),
        lambda text: show_hint(f"{text}!"),
    ],
)
def test_no_character_acts_unseen_on_a_terminal(capsys, show):
    """Control and format characters of a stored or mistyped text are printed as escapes by every way of printing."""
    show(INVISIBLE)
    captured = capsys.readouterr()
    assert f"{ESCAPED}!" in captured.out + captured.err
    assert {*INVISIBLE} & {*captured.out, *captured.err} <= {*"[2J"}


def test_letters_of_all_scripts_are_shown_as_they_are():
    """Names keep their letters, accents and wide blanks."""
    name = "Zoë 日本\u3000太郎 नमस्ते \U0001f600"
    assert visible(name) == name


def test_json_has_no_invisible_character_and_reads_as_the_same(capsys):
    """A program gets the text as it is stored; a person who reads the JSON sees each character."""
    stored = {"name": f"日本 {INVISIBLE}\U000e0041\ud800"}
    print_json(stored)
    printed = capsys.readouterr().out
    assert json.loads(printed) == stored
    assert "日本" in printed
    assert not [one for one in printed if unicodedata.category(one) in ("Cf", "Cc", "Cs", "Zl") and one != "\n"]
