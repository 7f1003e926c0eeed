"""How quotas went over time, from the changes of a tenant in their order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sidegate.model import Entity, split_ref


@dataclass(frozen=True, slots=True)
class QuotaChange:
    """A quota before and after a change, None where there is none; a group's is that of its own members together."""

    kind: str
    id: str
    before: int | None
    after: int | None


class Quotas:
    """Follows the quotas of members, and of groups as the sum over the members that stand in them themselves."""

    def __init__(self) -> None:
        self._quotas: dict[str, int] = {}
        self._groups: defaultdict[str, set[str]] = defaultdict(set)
        self._sums: defaultdict[str, int] = defaultdict(int)

    def __repr__(self) -> str:
        return f"Quotas({len(self._quotas)} members, {len(self._sums)} groups)"

    def follow(self, change: Any) -> Iterator[QuotaChange]:
        """Take the next change as the wire tells it, and yield the quotas that it altered."""
        match change.entity:
            case Entity.MEMBER:
                yield from self._member(change.key[0], _quota(change))
            case Entity.GROUP_MEMBER:
                yield from self._inside(*change.key, there=change.HasField("after"))
            case Entity.TENANT if not change.HasField("after"):
                for member in [*self._quotas]:
                    yield from self._member(member, None)
                self._groups.clear()

    def _member(self, member: str, after: int | None) -> Iterator[QuotaChange]:
        before = self._quotas.pop(member, None)
        if after is not None:
            self._quotas[member] = after
        if before == after:
            return
        yield QuotaChange("member", member, before, after)
        for group in sorted(self._groups[member]):
            yield from self._add(group, (after or 0) - (before or 0))

    def _inside(self, group: str, holder: str, *, there: bool) -> Iterator[QuotaChange]:
        type_, member = split_ref(holder)
        if type_ != "member" or (group in self._groups[member]) is there:
            return
        quota = self._quotas.get(member, 0)
        if there:
            self._groups[member].add(group)
        else:
            self._groups[member].discard(group)
        yield from self._add(group, quota if there else -quota)

    def _add(self, group: str, more: int) -> Iterator[QuotaChange]:
        before = self._sums[group]
        self._sums[group] += more
        if more:
            yield QuotaChange("group", group, before, before + more)


def _quota(change: Any) -> int | None:
    fields = change.after.fields if change.HasField("after") else {}
    if "quota" not in fields or fields["quota"].WhichOneof("kind") != "number_value":
        return None
    return int(fields["quota"].number_value)
