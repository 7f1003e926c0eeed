"""Changes of facts in readable lines: green what is added, red what goes, yellow what alters."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.text import Text

from sidegate.authz.v1 import facts_pb2 as pb
from sidegate.cli.shell.console import plain
from sidegate.model.change import EntryKind

ADDED, ALTERED, REMOVED = "+", "~", "-"
_STYLES = {ADDED: "green", ALTERED: "yellow", REMOVED: "red"}
_VERBS = {ADDED: "added", ALTERED: "altered", REMOVED: "removed"}
_EMPTY: tuple[object, ...] = ("", None, False, [], {})


def difference(tenants: Sequence[pb.TenantChanges]) -> Iterator[Text]:
    """Yield the lines of all tenants, with counts."""
    for tenant in tenants:
        yield Text(tenant.tenant, "bold")
        for change in tenant.changes:
            sign = _sign(change)
            yield Text(f"  {sign} {_line(change, sign)}", _STYLES[sign])
        for warning in tenant.warnings:
            yield Text.assemble(("  warning", "bold yellow"), f": {warning}")
        yield Text(f"  {counts(tenant.changes)}", "dim")


def counts(changes: Sequence[pb.FactChange]) -> str:
    """Return `2 added, 1 removed`, or `nothing changes`."""
    number = Counter(map(_sign, changes))
    return ", ".join(f"{number[sign]} {verb}" for sign, verb in _VERBS.items() if number[sign]) or "nothing changes"


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
