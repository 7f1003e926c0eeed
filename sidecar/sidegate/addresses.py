"""Where gRPC is served: `host:port`, `[::1]:port`, or `unix:/path` of a socket.

Free of other imports, so that a client's command line can check an address without loading the settings.
"""

from __future__ import annotations

import re

UNIX = "unix:"
DEFAULT_ADDRESS = "127.0.0.1:8282"
EXPECTED_ADDRESS = "`host:port` such as `127.0.0.1:8282`, or `unix:/path/of/socket`"
MAX_PORT = 65535
MAX_SOCKET_PATH = 107
"""Bytes of a socket's path that Linux takes."""

_TCP = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9_.-]+):(?P<port>[0-9]{1,5})")


def check_address(text: str) -> str:
    """Return the address as it was given.

    Raises:
        ValueError: it is neither `host:port` nor `unix:/path`.
    """
    if text.startswith(UNIX):
        path = text.removeprefix(UNIX)
        well_formed = path.strip() == path != "" and "\0" not in path and len(path.encode()) <= MAX_SOCKET_PATH
    else:
        well_formed = is_tcp(text)
    if not well_formed:
        raise ValueError(EXPECTED_ADDRESS)
    return text


def is_tcp(text: str) -> bool:
    """Return whether the text is a `host:port`."""
    found = _TCP.fullmatch(text)
    return found is not None and int(found["port"]) <= MAX_PORT
