"""The options that select changes."""

from __future__ import annotations

from collections.abc import Callable

import click

from sidegate.model.change import EntryKind

_OPTIONS = (
    click.option("--member", default="", help="Changes that name this member."),
    click.option("--role", default="", help="Changes that name this role."),
    click.option("--group", default="", help="Changes that name this group."),
    click.option("--resource", default="", help="Changes that name this resource: <type>:<id>."),
    click.option("--by", "author", default="", help="Changes that this actor made, such as member:uma or platform."),
    click.option("--caller", default="", help="Changes that this authenticated caller made, such as orders-service."),
    click.option(
        "--kind", type=click.Choice([entity.value for entity in EntryKind]), help="Changes of this kind of entry."
    ),
)


def change_filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select changes; a change must match all that are given."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
