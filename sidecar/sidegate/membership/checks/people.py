"""Members and groups: who can be told apart by e-mail, and who belongs to what."""

from __future__ import annotations

from collections.abc import Iterator

from sidegate.membership.checks.case import Case
from sidegate.membership.checks.cycles import chain_text, cycles
from sidegate.membership.finding import Finding
from sidegate.model import Entity, ref, split_ref


def check_members(case: Case) -> Iterator[Finding]:
    """Yield each member whose e-mail another one has, whatever the case of its letters."""
    taken: dict[str, str] = {}
    for member in case.facts.members.values():
        if not member.email:
            continue
        other = taken.setdefault(member.email.casefold(), member.id)
        if other != member.id:
            message = f"`{member.email}` is the e-mail of `{other}` too: expected one that no other member has"
            yield Finding(Entity.MEMBER, (member.id,), message, ("email",))


def check_groups(case: Case) -> Iterator[Finding]:
    """Yield each group member that is not there, and each chain of groups that leads back into itself."""
    for group in case.facts.groups.values():
        for holder in sorted(group.members):
            if absence := case.absence(holder):
                yield Finding(Entity.GROUP_MEMBER, (group.id, holder), absence)
    inside = {
        group.id: [id_ for type_, id_ in map(split_ref, sorted(group.members)) if type_ == "group"]
        for group in case.facts.groups.values()
    }
    for chain in cycles(inside):
        message = f"a cycle of groups, {chain_text(chain)}: expected no group inside itself"
        yield Finding(Entity.GROUP_MEMBER, (chain[-2], ref("group", chain[-1])), message)
