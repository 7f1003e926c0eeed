"""Click commands that teach by examples, and groups that load a command's code when it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
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
            Failure: an expected error, with the exit code that stands for it.
        """
        try:
            return super().invoke(ctx)
        except SidegateError as error:
            raise Failure.of(error) from error
        except UnicodeEncodeError as error:  # an argument of other bytes, which no message of the wire can hold
            raise Failure("an argument is not UTF-8 text", exit_code=BAD_INPUT) from error


class LazyGroup(click.Group):
    """A group that knows the names and short helps of its commands, and imports one when it is resolved.

    `loads` maps a command's name to the short help and to `module:attribute`.
    """

    def __init__(
        self,
        *args: Any,
        loads: Mapping[str, tuple[str, str]],
        examples: Sequence[Example] = (),
        **kwargs: Any,
    ) -> None:
        stubs = {name: click.Command(name, help=short) for name, (short, _) in loads.items()}
        super().__init__(*args, **{**kwargs, "commands": stubs})
        self.examples = tuple(examples)
        self._places = {name: place for name, (_, place) in loads.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """Return the names in the order of the table."""
        return list(self.commands)

    def load(self, name: str) -> click.Command:
        """Import a command of the table."""
        module, _, attribute = self._places[name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name, and load it."""
        name, stub, rest = super().resolve_command(ctx, args)
        return name, self.load(name) if name in self._places else stub, rest

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below the commands."""
        write_examples(formatter, self.examples)
        super().format_epilog(ctx, formatter)


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
