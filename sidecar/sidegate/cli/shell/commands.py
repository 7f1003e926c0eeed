"""Click commands whose help ends in examples, and groups that import a command when it is called."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import click

from sidegate.cli.shell.failures import BAD_INPUT, Failure
from sidegate.errors import SidegateError

Example = tuple[str, str]
"""What it does, and the command line that does it."""


class Command(click.Command):
    """A command whose help ends in examples, and whose expected errors become one clear message."""

    def __init__(self, *args: Any, examples: Sequence[Example] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below the options."""
        write_examples(formatter, self.examples)
        super().format_epilog(ctx, formatter)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            Failure: an expected error, with its exit code.
        """
        try:
            return super().invoke(ctx)
        except SidegateError as error:
            raise Failure.of(error) from error
        except UnicodeEncodeError as error:  # an argument of other bytes, which no message of the wire can hold
            raise Failure("an argument is not UTF-8 text", exit_code=BAD_INPUT) from error


class UnloadedCommand(click.Command):
    """A command that is not imported yet, which the list of a group's commands needs no more than the docstring of.

    `location` is `module:function`.
    """

    def __init__(self, name: str, location: str) -> None:
        super().__init__(name)
        self.location = location

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the first sentence of the function's docstring, read from the source of the module."""
        self.help = self.help or _docstring(self.location) or self.load().help
        return super().get_short_help_str(limit)

    def load(self) -> click.Command:
        """Import the command."""
        module, _, function = self.location.partition(":")
        command: click.Command = getattr(import_module(module), function)
        return command


class LazyGroup(click.Group):
    """A group that knows where each of its commands is, and imports one when it is called.

    `loads` maps a command's name to `module:function`.
    """

    def __init__(self, *args: Any, loads: Mapping[str, str], examples: Sequence[Example] = (), **kwargs: Any) -> None:
        unloaded = {name: UnloadedCommand(name, location) for name, location in loads.items()}
        super().__init__(*args, **{**kwargs, "commands": unloaded})
        self.examples = tuple(examples)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """Return the names in the order of the table."""
        return list(self.commands)

    def load(self, name: str) -> click.Command:
        """Import a command of the table."""
        command = self.commands[name]
        return command.load() if isinstance(command, UnloadedCommand) else command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name, and import it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, UnloadedCommand) else command, rest

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below the commands."""
        write_examples(formatter, self.examples)
        super().format_epilog(ctx, formatter)


def lazy_group(
    commands: Mapping[str, str], *, examples: Sequence[Example] = (), name: str | None = None
) -> Callable[[Callable[[], None]], LazyGroup]:
    """Return a decorator that makes a function, whose docstring is the help, a `LazyGroup` of these commands.

    `commands` maps a command's name to `module:function`. The group has the function's name, or `name`.
    """
    return click.group(name, cls=LazyGroup, loads=commands, examples=examples)


def write_examples(formatter: click.HelpFormatter, examples: Sequence[Example]) -> None:
    """Write each example: what it does, and the line to type."""
    if not examples:
        return
    with formatter.section("Examples"):
        for number, (meaning, line) in enumerate(examples):
            if meaning:
                formatter.write("\n" if number else "")
                formatter.write_text(f"{meaning}:")
            formatter.write(f"{'':{formatter.current_indent + 2}}{line}\n")


def _docstring(location: str) -> str:
    """Return the docstring of a function without importing its module; "" where there is no source."""
    module, _, function = location.partition(":")
    spec = find_spec(module)
    source = getattr(spec.loader, "get_source", lambda _: None)(module) if spec else None
    for node in ast.parse(source or "").body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return ast.get_docstring(node) or ""
    return ""
