"""Who may do what by a pack's rows: for each resource type, holders of roles against actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sidegate.policy.describe.constant_folding import fold_condition
from sidegate.policy.pack.conditions import parse_condition
from sidegate.policy.pack.model_file import is_standard
from sidegate.policy.pack.policy_file import matches
from sidegate.policy.pack.schema import Pack, ResourceType


@dataclass(frozen=True, slots=True, order=True)
class Holder:
    """The holders that a row applies to: of `role` on the resource's scope of type `scope`."""

    role: str
    scope: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one row decides; `condition` is "" where it applies without one."""

    allow: bool
    rule: str
    condition: str


Cells = Mapping[str, Sequence[Verdict]]


def who_may(pack: Pack, type_: ResourceType) -> Mapping[Holder, Cells]:
    """Return, for each holder of a row about `type_`, the verdicts by action, in the order of the rows.

    A verdict is left out where a later one always decides instead.
    """
    found: dict[Holder, dict[str, list[Verdict]]] = {}
    scopes = pack.schema.scopes_of(type_.name)
    for row in pack.rows:
        _, role, scope, types, acts, condition, effect, rule = row
        if scope not in scopes or not matches(type_.name, types):
            continue
        for action in type_.actions:
            clear = fold_condition(parse_condition(condition), type_=type_.name, action=action)
            if matches(action, acts) and clear is not False:
                verdict = Verdict(effect == "allow", rule, "" if clear else condition)
                _add(found.setdefault(Holder(role, scope), {}).setdefault(action, []), verdict)
    return found


def holders_allowed(pack: Pack, type_: ResourceType, action: str) -> frozenset[Holder] | None:
    """Return the holders that a row could allow an action on a type; None where the matcher is not the standard one.

    Tenants' own roles are not part of the pack.
    """
    if not is_standard(pack.model_text):
        return None
    may = who_may(pack, type_).items()
    return frozenset(holder for holder, cells in may if any(verdict.allow for verdict in cells.get(action, ())))


def _add(verdicts: list[Verdict], new: Verdict) -> None:
    if new in verdicts:
        return
    if not new.condition:
        verdicts[:] = [old for old in verdicts if old.allow is not new.allow]
    verdicts.append(new)
