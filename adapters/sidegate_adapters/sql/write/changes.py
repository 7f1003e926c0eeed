"""The changes of a write as rows of the feed, with the subjects that they are found by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import bindparam, case, func, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from sidegate.model.change import Change, Receipt
from sidegate.model.entry import Payload, actor_subject, quota_subject, subjects_of
from sidegate.model.quota import QuotaUse, quota_use
from sidegate.model.reference import ref
from sidegate_adapters.sql.databases.notify_channel import HINT_CHANNEL
from sidegate_adapters.sql.entry_rows import Row
from sidegate_adapters.sql.queries import groups
from sidegate_adapters.sql.schema_version import STORED_VERSION, require_version
from sidegate_adapters.sql.statements import execute_many
from sidegate_adapters.sql.tables import change_subjects, changes, feed
from sidegate_adapters.sql.write.quota_days import add_up

_INSERT_CHANGE, _INSERT_SUBJECT = insert(changes), insert(change_subjects)
GroupsByMember: TypeAlias = Mapping[str, Mapping[str, frozenset[str]]]
"""The groups that members belong to after a write, by tenant and member."""


@dataclass(frozen=True, slots=True)
class Work:
    """What to write: the changes of each tenant that has any, and from which revisions.

    `actor` is in whose name it is written, `caller` who wrote it.
    """

    changes: Mapping[str, Sequence[Change]]
    expected: Mapping[str, int]
    actor: str
    caller: str = ""
    receipt: Receipt | None = None


async def append(connection: AsyncConnection, work: Work, revisions: Mapping[str, int], *, at: datetime) -> datetime:
    """Append the changes to the feed, with their subjects, and add up the quota that they use.

    Return the time of all of them: later than every change of their tenants, and not before any change of the feed.

    Raises:
        SchemaChanged: the database has another schema by now.
    """
    count = sum(map(len, work.changes.values()))
    group_refs = {tenant: await _groups_of(connection, tenant, work) for tenant in work.changes}
    # Last of all, since on PostgreSQL every other writer waits from here until the commit.
    counted = await connection.execute(_counter(connection.dialect.name), {"count": count, "now": at})
    newest = counted.one()
    require_version(newest.schema_version)
    first = newest.head - count + 1
    await execute_many(connection, _INSERT_CHANGE, _change_rows(work, revisions, first=first, at=newest.at))
    await execute_many(connection, _INSERT_SUBJECT, _subject_rows(work, group_refs, first=first))
    for tenant, changed in work.changes.items():
        await add_up(connection, tenant, _uses(changed, group_refs[tenant]), day=newest.at.date())
    written_at: datetime = newest.at
    return written_at


@cache
def _counter(dialect: str) -> ReturningUpdate[Any]:
    """Return the statement that takes sequence numbers from the feed, with the schema's version.

    On PostgreSQL it sends the hint as well.
    """
    now = bindparam("now", type_=feed.c.at.type)
    drawn = update(feed).values(head=feed.c.head + bindparam("count"), at=case((feed.c.at > now, feed.c.at), else_=now))
    hint = (func.pg_notify(HINT_CHANNEL, ""),) if dialect == "postgresql" else ()
    return drawn.where(feed.c.id == 1).returning(feed.c.head, feed.c.at, STORED_VERSION, *hint)


async def _groups_of(connection: AsyncConnection, tenant: str, work: Work) -> Mapping[str, frozenset[str]]:
    """Return the groups of the actor, and of the members whose quota changes."""
    members = {ref("member", change.key[0]) for change in work.changes[tenant] if quota_use(change)}
    if work.actor.startswith("member:"):
        members.add(work.actor)
    return await groups.groups_of(connection, tenant, members)


def _subject_rows(work: Work, group_refs: GroupsByMember, *, first: int) -> Iterator[Row]:
    in_order = ((tenant, change) for tenant in sorted(work.changes) for change in work.changes[tenant])
    for sequence, (tenant, change) in enumerate(in_order, first):
        by = group_refs[tenant].get(work.actor, ())
        used = group_refs[tenant].get(ref("member", change.key[0]), ()) if quota_use(change) else ()
        for subject in {*subjects_of(tenant, change), *map(actor_subject, by), *map(quota_subject, used)}:
            yield {"tenant": tenant, "subject": subject, "sequence": sequence}


def _uses(changed: Iterable[Change], group_refs: Mapping[str, frozenset[str]]) -> Mapping[str, QuotaUse]:
    """Return what the changes mean for the quota of each member and of the groups it belongs to."""
    uses: defaultdict[str, QuotaUse] = defaultdict(QuotaUse)
    for change in changed:
        if use := quota_use(change):
            member = ref("member", change.key[0])
            for holder in (member, *group_refs[member]):
                uses[holder] += use
    return uses


def _change_rows(work: Work, revisions: Mapping[str, int], *, first: int, at: datetime) -> Iterator[Row]:
    sequence = first
    for tenant in sorted(work.changes):
        for position, change in enumerate(work.changes[tenant]):
            yield {
                "sequence": sequence,
                "tenant": tenant,
                "revision": revisions[tenant],
                "position": position,
                "entity": change.entity.value,
                "key": change.key,
                "before": _plain(change.before),
                "after": _plain(change.after),
                "actor": work.actor,
                "caller": work.caller,
                "cause": change.cause.value,
                "at": at,
            }
            sequence += 1


def _plain(payload: Payload | None) -> dict[str, Any] | None:
    return None if payload is None else dict(payload)
