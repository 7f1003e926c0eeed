"""The commands of the command line as a table."""

from __future__ import annotations

from collections.abc import Iterator

import click

from sidegate.cli.app import cli
from sidegate.cli.shell.commands import LazyGroup

Path = tuple[str, ...]


def commands(group: LazyGroup = cli, path: Path = ()) -> Iterator[tuple[Path, click.Command]]:
    """Yield path and command of the whole tree, groups among them."""
    for name in group.commands:
        command = group.load(name)
        yield (*path, name), command
        if isinstance(command, LazyGroup):
            yield from commands(command, (*path, name))


def commands_with_yes() -> Iterator[str]:
    """Yield the commands that ask for a confirmation, such as `group delete`."""
    for path, command in commands():
        if any(option.name == "yes" for option in command.params):
            yield " ".join(path)
