"""JSON documents of issuers, over HTTP or from a file, read within limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from time import monotonic
from typing import Any, Final
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from sidegate.model.callers.token_issuer import is_secure_url

SECONDS: Final = 5.0
"""How long a server may take to send anything, and in all."""
MAX_BYTES: Final = 512 * 1024
_PIECE: Final = 16 * 1024


class Unreadable(Exception):
    """A document can't be read; the text says why."""


class _NoRedirects(HTTPRedirectHandler):
    """Refuses redirects: the place of an issuer's keys is pinned."""

    def redirect_request(self, *_arguments: Any, **_named: Any) -> None:
        """Follow none."""


_OPENERS: Final[Mapping[bool, OpenerDirector]] = {
    False: build_opener(_NoRedirects, ProxyHandler({})),
    True: build_opener(_NoRedirects),
}
"""What opens URLs, without TLS and with it: only a connection that is encrypted may go through a proxy."""


def read_json(source: str | Path) -> dict[str, Any]:
    """Return the JSON object at a URL or in a file. It blocks: call it in a thread.

    Raises:
        Unreadable: there is none.
    """
    raw = _file(source) if isinstance(source, Path) else _fetched(source)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is not JSON") from error
    if not isinstance(value, dict):
        raise Unreadable("it is not a JSON object")
    return value


def _file(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise Unreadable("no such file" if not path.exists() else "it is not a regular file")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unreadable((error.strerror or "not readable").lower()) from error
    return _within_limit(raw)


def _fetched(url: str) -> bytes:
    if not is_secure_url(url):
        raise Unreadable("its URL is neither https nor http of this machine")
    request = Request(url, headers={"Accept": "application/json"})  # noqa: S310 - the scheme was checked
    until = monotonic() + SECONDS
    raw = b""
    try:
        with _OPENERS[request.type == "https"].open(request, timeout=SECONDS) as response:
            while len(raw) <= MAX_BYTES and (piece := response.read1(_PIECE)):
                raw += piece
                if monotonic() > until:
                    raise Unreadable(f"its server takes longer than {SECONDS:g} s")
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise Unreadable(
            f"its server does not answer: {getattr(error, 'reason', None) or type(error).__name__}"
        ) from error
    return _within_limit(raw)


def _within_limit(raw: bytes) -> bytes:
    if len(raw) > MAX_BYTES:
        raise Unreadable(f"it is longer than {MAX_BYTES} bytes")
    return raw
