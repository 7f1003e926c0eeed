"""Tables: aligned lines in a pipe, rules and colour on a terminal, and never markup."""

from __future__ import annotations

import io

from rich.console import Console
from rich.text import Text

from sidegate.cli.shell.console import console, print_table


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
