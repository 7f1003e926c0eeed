"""What commands read: files, `-` for standard input, and NAME=VALUE."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from sidegate.cli.shell.failures import BAD_INPUT, Failure
from sidegate.model.properties import Json

STDIN = "-"


def read_text(path: str) -> str:
    """Return the text of a file or of standard input.

    Raises:
        Failure: it can't be read, or is not UTF-8.
    """
    return decoded_text(read_bytes(path), path)


def read_bytes(path: str) -> bytes:
    """Return the bytes of a file or of standard input.

    Raises:
        Failure: it can't be read.
    """
    try:
        return sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def decoded_text(raw: bytes, path: str) -> str:
    """Return the bytes of a file as text.

    Raises:
        Failure: they are not UTF-8.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Failure(f"`{path}` is not UTF-8 text: byte {error.start} is not right", exit_code=BAD_INPUT) from error


def unreadable(path: str, error: OSError) -> Failure:
    """Return the failure of a file that can't be read or written."""
    return Failure(f"can't open `{path}`: {(error.strerror or str(error)).lower()}", exit_code=BAD_INPUT)


def assignments(pairs: Iterable[str], *, example: str) -> dict[str, Json]:
    """Return the value of each NAME=VALUE: JSON where it is JSON, text otherwise.

    Raises:
        UsageError: one is of another form.
    """
    values: dict[str, Json] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not (name and equals):
            raise click.UsageError(f"`{pair}` is not right: expected NAME=VALUE, such as {example}")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values
