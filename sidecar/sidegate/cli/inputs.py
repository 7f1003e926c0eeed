"""What commands read: files, and `-` for standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from sidegate.cli.failures import BAD_INPUT, Failure

STDIN = "-"


def read_text(path: str) -> str:
    """Return the text of a file or of standard input.

    Raises:
        Failure: it can't be read, or is not UTF-8.
    """
    try:
        raw = sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
        return raw.decode("utf-8")
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise Failure(f"`{path}` is not UTF-8 text: byte {error.start} is not right", exit_code=BAD_INPUT) from error


def unreadable(path: str, error: OSError) -> Failure:
    """Return the failure of a file that can't be read or written."""
    return Failure(f"can't open `{path}`: {(error.strerror or str(error)).lower()}", exit_code=BAD_INPUT)
