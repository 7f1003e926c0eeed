"""Each kind of entry as rows of its table, and back; the tenant's own row, which has the revision, is separate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import RowMapping, Table

from sidegate.errors import InvalidInput, Violation
from sidegate.model.change import EntryKind
from sidegate.model.entry import Key, Payload, is_suspended, tenant_payload
from sidegate.model.reference import ref, split_ref
from sidegate_adapters.sql import tables

Row: TypeAlias = Mapping[str, Any]
_LIMIT = 2**63


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of entry: its table, and the ways from key and payload to a row, without the tenant, and back."""

    table: Table
    identity: Callable[[Key], Row]
    columns: Callable[[Key, Payload], Row]
    key: Callable[[RowMapping], Key]
    payload: Callable[[RowMapping], Payload]


def _typed(prefix: str, reference: str) -> Row:
    """Return a reference as its two columns, `prefix` leading their names."""
    if ":" not in reference:
        raise InvalidInput(Violation("changes", f"`{reference}` must be a reference, such as `member:{reference}`"))
    type_, id_ = split_ref(reference)
    return {f"{prefix}type": type_, f"{prefix}id": id_}


def tenant_columns(payload: Payload) -> Row:
    """Return the columns of a tenant's own row from its payload."""
    return {"pack": payload["pack"], "settings": payload["settings"], "suspended": is_suspended(payload)}


def tenant_of_row(row: RowMapping) -> Payload:
    """Return the payload of a tenant's own row."""
    return tenant_payload(row["pack"], row["settings"], suspended=row["suspended"])


def _nothing(_: object) -> Payload:
    return {}


def parent_rows(key: Key, payload: Payload) -> list[Row]:
    """Return the rows of `resource_parents` of one resource."""
    parents: Any = payload["parents"]
    return [{**_typed("", key[0]), **_typed("parent_", parent)} for parent in parents]


def require_storable(row: Row) -> None:
    """Require that both databases can store the row; each accepts some values that the other refuses.

    Raises:
        InvalidInput: a number is beyond 64 bits, or a text is not unicode or has a zero character.
    """
    for name, value in row.items():
        if isinstance(value, str):
            fits = value.isprintable() or ("\0" not in value and _is_unicode(value))
        else:
            fits = not isinstance(value, int) or -_LIMIT <= value < _LIMIT
        if not fits:
            message = f"`{name}` can't be stored: numbers fit 64 bits, text is unicode without zero characters"
            raise InvalidInput(Violation("changes", message))


def require_storable_column(name: str, values: Sequence[Any]) -> None:
    """Require that both databases can store each of these values of one column.

    Raises:
        InvalidInput: one is a number beyond 64 bits, or a text that is not unicode or has a zero character.
    """
    kinds = {*map(type, values)}
    if any(issubclass(kind, str) for kind in kinds):
        # One test of all texts together: nearly always they pass it.
        require_storable({name: "".join(value for value in values if isinstance(value, str))})
    if any(issubclass(kind, int) for kind in kinds):
        numbers = [value for value in values if isinstance(value, int)]
        require_storable({name: min(numbers)})
        require_storable({name: max(numbers)})


def _is_unicode(text: str) -> bool:
    """Return whether the text has no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _member_columns(key: Key, payload: Payload) -> Row:
    texts = {"phone": "", **payload}
    text = "\n".join((key[0], *(str(texts[name]) for name in ("name", "email", "phone"))))
    return {**texts, "email_key": str(payload["email"]).casefold(), "text_key": text.casefold()}


def _member_payload(row: RowMapping) -> Payload:
    payload = {name: row[name] for name in ("status", "name", "email", "mfa", "quota")}
    return {**payload, "phone": row["phone"]} if row["phone"] else payload


KINDS: Mapping[EntryKind, Kind] = {
    # Entries that others refer to come first: rows are inserted in this order and deleted in reverse.
    EntryKind.MEMBER: Kind(
        tables.members,
        identity=lambda key: {"id": key[0]},
        columns=_member_columns,
        key=lambda row: (row["id"],),
        payload=_member_payload,
    ),
    EntryKind.GROUP: Kind(
        tables.groups,
        identity=lambda key: {"id": key[0]},
        columns=lambda _, payload: payload,
        key=lambda row: (row["id"],),
        payload=lambda row: {"name": row["name"]},
    ),
    EntryKind.ROLE: Kind(
        tables.roles,
        identity=lambda key: {"name": key[0]},
        columns=lambda _, payload: payload,
        key=lambda row: (row["name"],),
        payload=lambda row: {"permissions": row["permissions"]},
    ),
    EntryKind.RESOURCE: Kind(
        tables.resources,
        identity=lambda key: _typed("", key[0]),
        columns=lambda _, payload: {"properties": payload["properties"]},
        key=lambda row: (ref(row["type"], row["id"]),),
        payload=lambda row: {"parents": [], "properties": row["properties"]},
    ),
    EntryKind.GROUP_MEMBER: Kind(
        tables.group_members,
        identity=lambda key: {"group_id": key[0], **_typed("holder_", key[1])},
        columns=lambda *_: {},
        key=lambda row: (row["group_id"], ref(row["holder_type"], row["holder_id"])),
        payload=_nothing,
    ),
    EntryKind.GRANT: Kind(
        tables.grants,
        identity=lambda key: {"role": key[0], **_typed("scope_", key[1]), **_typed("holder_", key[2])},
        columns=lambda *_: {},
        key=lambda row: (
            row["role"],
            ref(row["scope_type"], row["scope_id"]),
            ref(row["holder_type"], row["holder_id"]),
        ),
        payload=_nothing,
    ),
    EntryKind.INVITATION: Kind(
        tables.invitations,
        identity=lambda key: {"member": key[0]},
        columns=lambda _, payload: payload,
        key=lambda row: (row["member"],),
        payload=lambda row: {"id": row["id"], "expires_at": row["expires_at"]},
    ),
}
