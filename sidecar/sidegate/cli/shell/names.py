"""IDs in resource names of the wire, and holders as the command line takes them."""

from __future__ import annotations

from urllib.parse import unquote


def id_of(name: str) -> str:
    """Return the ID at the end of a resource name, such as `uma` of `tenants/acme/members/uma`."""
    return unquote(name.rpartition("/")[2])


def holder_ref(holder: str) -> str:
    """Return the reference of a holder: `member:id` for an ID without a kind."""
    return holder if holder.startswith(("member:", "group:")) else f"member:{holder}"
