"""Changes of facts: what changed, by whom, at which revision, and the query for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sidegate.model.properties import Json
from sidegate.model.revision import Revision


class EntryKind(StrEnum):
    """The kinds of entries that a change can concern."""

    TENANT = "tenant"
    MEMBER = "member"
    GROUP = "group"
    GROUP_MEMBER = "group_member"
    ROLE = "role"
    RESOURCE = "resource"
    GRANT = "grant"
    INVITATION = "invitation"


class Cause(StrEnum):
    """Why a member's quota changed; without a reason it was set by hand, distributed, or applied with a document."""

    UNSAID = ""
    CONSUMED = "consumed"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry created (`before` None), updated, or deleted (`after` None); both are plain JSON objects."""

    entity: EntryKind
    key: tuple[str, ...]
    before: Mapping[str, Json] | None
    after: Mapping[str, Json] | None
    cause: Cause = Cause.UNSAID


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A change as the feed reports it; `sequence` only grows, across all tenants, and `revision` is a number.

    `actor` is in whose name it was written, `caller` the authenticated caller that wrote it, or empty.
    """

    sequence: int
    tenant: str
    revision: int
    change: Change
    actor: str
    at: datetime
    caller: str = ""

    @property
    def part_of(self) -> Revision:
        """The revision that it belongs to."""
        return Revision.made(self.revision, self.at)


@dataclass(frozen=True, slots=True)
class ChangeQuery:
    """Which changes of a tenant to list: every given condition must hold.

    `subjects` are references that a change must all name; `actor_group` is a group that the actor belonged to when
    the change was made, directly or through a group inside it; `until` is exclusive.
    """

    subjects: tuple[str, ...] = ()
    actor: str = ""
    caller: str = ""
    actor_group: str = ""
    entity: EntryKind | None = None
    since: datetime | None = None
    until: datetime | None = None
    oldest_first: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """The response to a request with an ID: `digest` of the request's content, `response` as the server wrote it."""

    request_id: str
    digest: bytes
    response: bytes
