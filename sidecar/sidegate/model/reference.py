"""References: a thing named with its type, such as `member:uma`, `group:sales`, `template:nda`, `tenant:acme`."""

from __future__ import annotations

EVERYWHERE = "*"
"""The domain of links that apply in every scope: group memberships."""
ANY = "*"
"""The resource ID that asks about a type as a whole."""


def ref(type_: str, id_: str) -> str:
    """Return the reference of a thing: `ref("group", "sales")` is `group:sales`."""
    return f"{type_}:{id_}"


def split_ref(reference: str) -> tuple[str, str]:
    """Return type and ID of a reference; the ID may hold colons, the type may not."""
    type_, _, id_ = reference.partition(":")
    return type_, id_
