"""docs/cli.md, run."""

import re

from support.commands import commands_with_yes
from support.pages import page, shown_and_printed

PAGE = page("cli.md")


def test_the_page_is_as_shown(tmp_path):
    """Each command of the page prints what the page shows."""
    shown, printed = shown_and_printed(PAGE, tmp_path)
    assert len(shown) > 15
    assert printed == shown


def test_the_page_lists_the_commands_that_ask():
    """The table names each command that has `--yes`, and no other."""
    (table,) = re.findall(r"\| command \| asks when \|\n(.*?)\n\n", PAGE, re.DOTALL)
    assert {*re.findall(r"`(\w+ \w+)`", table)} == {*commands_with_yes()}
