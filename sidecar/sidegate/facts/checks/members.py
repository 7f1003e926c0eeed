"""Members and groups: which members share an e-mail, and who belongs to which group."""

from __future__ import annotations

from collections.abc import Iterator

from sidegate.facts.checks.case import Case
from sidegate.facts.checks.cycles import chain_text, cycles
from sidegate.facts.entry_fault import EntryFault
from sidegate.model.change import EntryKind
from sidegate.model.reference import ref, split_ref


def check_members(case: Case) -> Iterator[EntryFault]:
    """Yield each member whose e-mail, whatever the case of its letters, or whose phone number another one has."""
    taken: dict[tuple[str, str], str] = {}
    for member in case.facts.members.values():
        for field, what, value in (("email", "e-mail", member.email), ("phone", "phone number", member.phone)):
            other = taken.setdefault((field, value.casefold()), member.id) if value else member.id
            if other != member.id:
                message = f"`{value}` is the {what} of `{other}` too: expected one that no other member has"
                yield EntryFault(EntryKind.MEMBER, (member.id,), message, (field,))


def check_groups(case: Case) -> Iterator[EntryFault]:
    """Yield each group member that is not there, and each chain of groups that leads back into itself."""
    for group in case.facts.groups.values():
        for holder in sorted(group.members):
            if absence := case.absence(holder):
                yield EntryFault(EntryKind.GROUP_MEMBER, (group.id, holder), absence)
    inside = {
        group.id: [id_ for type_, id_ in map(split_ref, sorted(group.members)) if type_ == "group"]
        for group in case.facts.groups.values()
    }
    for chain in cycles(inside):
        message = f"a cycle of groups, {chain_text(chain)}: expected no group inside itself"
        yield EntryFault(EntryKind.GROUP_MEMBER, (chain[-2], ref("group", chain[-1])), message)
