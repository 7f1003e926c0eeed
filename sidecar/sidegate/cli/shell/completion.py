"""Shell completion of files, directories, packs, and settings with a few possible values."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def complete_file(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - the signature is click's
    """Let the shell complete the name of a file."""
    return [CompletionItem(incomplete, type="file")]


def complete_directory(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - the signature is click's
    """Let the shell complete the name of a directory."""
    return [CompletionItem(incomplete, type="dir")]


def complete_pack(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - the signature is click's
    """Complete the name of a pack on this machine."""
    from sidegate.cli.shell.local_packs import local_names  # noqa: PLC0415 - help need not wait for its imports

    return _matching(local_names(), incomplete)


def complete_pack_or_directory(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a pack on this machine, else let the shell complete that of a directory."""
    return complete_pack(ctx, param, incomplete) or complete_directory(ctx, param, incomplete)


def completer_of(values: Iterable[str]) -> Completer:
    """Return what completes one of a few values."""
    known = tuple(values)
    return lambda _ctx, _param, incomplete: _matching(known, incomplete)


def _matching(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
