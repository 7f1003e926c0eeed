"""Callers: the applications that call a sidecar, and what each of them may do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

_PLATFORM: Final = "platform"
_MEMBER: Final = "member:"


class Right(StrEnum):
    """What a caller may be allowed to do."""

    CHECK = "check"
    LIST = "list"
    EXPLAIN = "explain"
    MEMBERSHIP_READ = "membership.read"
    MEMBERSHIP_WRITE = "membership.write"
    FACTS_BULK = "facts.bulk"
    POLICY_ADMIN = "policy.admin"
    EVENTS_WATCH = "events.watch"
    METRICS = "metrics"


class ActorKind(StrEnum):
    """For whom a caller may act: the platform, any member, or only the member that its token names."""

    PLATFORM = "platform"
    MEMBERS = "members"
    PROVEN = "proven"


@dataclass(frozen=True, slots=True)
class TenantSet:
    """The tenants that a right is for: the named ones, or all."""

    names: frozenset[str] = frozenset()
    all: bool = False

    def __contains__(self, tenant: object) -> bool:
        return self.all or tenant in self.names

    def only(self, tenant: str) -> TenantSet:
        """Return the part of it that is one tenant."""
        return TenantSet(frozenset({tenant}) if tenant in self else frozenset())


ALL_TENANTS: Final = TenantSet(all=True)
NO_TENANT: Final = TenantSet()


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated application: its name, its rights, and for whom it may act.

    `member` is the ID of the member that its token names, empty where there is none.
    """

    name: str
    rights: Mapping[Right, TenantSet] = field(default_factory=lambda: MappingProxyType({}))
    actors: frozenset[ActorKind] = frozenset()
    member: str = ""

    def has(self, right: Right) -> bool:
        """Return whether it has the right for any tenant."""
        return right in self.rights

    def has_for_all(self, right: Right) -> bool:
        """Return whether it has the right for all tenants."""
        return self.rights.get(right, NO_TENANT).all

    def refused(self, right: Right, tenants: Iterable[str]) -> str | None:
        """Return the first of the tenants that it does not have the right for; None where there is none."""
        allowed = self.rights.get(right, NO_TENANT)
        return next((tenant for tenant in tenants if tenant not in allowed), None)

    def may_act_for(self, actor: str) -> bool:
        """Return whether it may act for `platform` or `member:<id>`."""
        if actor == _PLATFORM:
            return ActorKind.PLATFORM in self.actors
        if not actor.startswith(_MEMBER):
            return False
        if ActorKind.MEMBERS in self.actors:
            return True
        return ActorKind.PROVEN in self.actors and bool(self.member) and actor == _MEMBER + self.member

    def proven(self, member: str) -> Caller:
        """Return the same caller with the member that its token names."""
        return replace(self, member=member)

    def limited_to(self, tenant: str) -> Caller:
        """Return the same caller with its rights for one tenant only."""
        limited = {right: tenants.only(tenant) for right, tenants in self.rights.items()}
        return replace(self, rights=MappingProxyType(limited))


TRUSTED: Final = Caller(
    "",
    MappingProxyType(dict.fromkeys(Right, ALL_TENANTS)),
    frozenset({ActorKind.PLATFORM, ActorKind.MEMBERS}),
)
"""The caller that may do everything: every client, where no callers are configured."""
NOBODY: Final = Caller("")
"""No caller: without a name and without any right."""
