"""The addresses of databases: which are well formed, and what of one may be shown."""

from __future__ import annotations

import re

_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:,/?#@\s]*)(?::[0-9]{1,5})?"
_FILE = re.compile(r"sqlite:///.+", re.DOTALL)
# What would separate parts of the address stands escaped in a password, or no reader could tell where it ends.
_SERVER = re.compile(
    rf"(?P<scheme>postgresql://)(?:[^@/?#\s]*@)?(?P<place>{_HOST}(?:,{_HOST})*(?:/[^?#@\s]*)?)(?:\?[^#@\s]*)?"
)


def is_database(address: str) -> bool:
    """Return whether an address is of the form of SQLite or of PostgreSQL."""
    return bool(_FILE.fullmatch(address) or _SERVER.fullmatch(address))


def redacted(address: str) -> str:
    """Return what may be shown of an address: the whole of a file's, of a server's no user, password or parameter.

    What is no address is shown by its scheme, for nobody knows what the rest is.
    """
    if _FILE.fullmatch(address):
        return address
    if server := _SERVER.fullmatch(address):
        return server["scheme"] + server["place"]
    scheme, separator, _ = address.partition("://")
    return f"{scheme}://…" if separator and scheme.isalnum() else "…"
