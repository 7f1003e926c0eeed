"""Changes of facts in readable lines: green what is added, yellow what is altered, red what is removed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

from google.protobuf.struct_pb2 import Struct
from rich.text import Text

from sidegate.authz.v1 import facts_pb2 as pb
from sidegate.cli.shell.console import plain, styled
from sidegate.model.change import EntryKind
from sidegate.model.identifiers import visible

ADDED, ALTERED, REMOVED = "+", "~", "-"
_STYLES = {ADDED: "green", ALTERED: "yellow", REMOVED: "red"}
_VERBS = {ADDED: "added", ALTERED: "altered", REMOVED: "removed"}
_DELETABLE = frozenset({EntryKind.TENANT, EntryKind.MEMBER, EntryKind.GROUP, EntryKind.ROLE, EntryKind.RESOURCE})
_EMPTY: tuple[object, ...] = ("", None, False, [], {})


def difference(tenants: Sequence[pb.TenantChanges]) -> Iterator[Text]:
    """Yield the lines of all tenants, with counts."""
    for tenant in tenants:
        yield styled(tenant.tenant, "bold")
        for change in tenant.changes:
            sign = _sign(change)
            yield styled(f"  {sign} {_line(change, sign)}", _STYLES[sign])
        for warning in tenant.warnings:
            yield Text.assemble(("  warning", "bold yellow"), f": {visible(warning)}")
        yield Text(f"  {counts(tenant.changes)}", "dim")


def losses(tenants: Sequence[pb.TenantChanges]) -> Iterator[str]:
    """Yield the changes that a command for one of them would ask to confirm: deletions, and a tenant suspended."""
    for tenant in tenants:
        for change in tenant.changes:
            if change.entity in _DELETABLE and _sign(change) == REMOVED:
                yield f"{tenant.tenant}: delete {_thing(change)}"
            if change.entity == EntryKind.TENANT and _suspended(change.after) and not _suspended(change.before):
                yield f"{tenant.tenant}: suspend the tenant"


def counts(changes: Sequence[pb.FactChange]) -> str:
    """Return `2 added, 1 removed`, or `nothing changes`."""
    number = Counter(map(_sign, changes))
    return ", ".join(f"{number[sign]} {verb}" for sign, verb in _VERBS.items() if number[sign]) or "nothing changes"


def _suspended(tenant: Struct) -> bool:
    return plain(tenant).get("suspended") is True


def _sign(change: pb.FactChange) -> str:
    if not change.HasField("before"):
        return ADDED
    return ALTERED if change.HasField("after") else REMOVED


def _line(change: pb.FactChange, sign: str) -> str:
    before, after = plain(change.before), plain(change.after)
    if sign == REMOVED:
        return _thing(change)
    if sign == ADDED:
        details = ", ".join(f"{key} {_shown(value)}" for key, value in after.items() if value not in _EMPTY)
    else:
        keys = [*before, *(key for key in after if key not in before)]
        details = ", ".join(
            f"{key} {_shown(before.get(key))} → {_shown(after.get(key))}"
            for key in keys
            if before.get(key) != after.get(key)
        )
    return f"{_thing(change)}: {details}" if details else _thing(change)


def _thing(change: pb.FactChange) -> str:
    match change.entity, tuple(change.key):
        case EntryKind.GRANT, (role, scope, holder):
            return f"grant {role} on {scope} to {holder}"
        case EntryKind.GROUP_MEMBER, (group, holder):
            return f"group {group}: {holder}"
        case entity, key:
            return " ".join((entity, *key))


def _shown(value: object) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
