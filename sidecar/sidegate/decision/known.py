"""What the steps of a Check find out about its request, and pass inward so that nothing is looked up twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from sidegate.model.decision import Decision, Reason
from sidegate.model.question import Request
from sidegate.ports.decider import Outcome
from sidegate.replica.patches import TenantSnapshot
from sidegate.replica.resource import ResourceFacts
from sidegate.replica.tenant_head import TenantHead

Head: TypeAlias = TenantSnapshot | TenantHead
"""A tenant's snapshot, or its revision and pack alone while the snapshot is being loaded."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A request as one snapshot answers it so far.

    `refusal` says why it is denied before any rule, None where the rules decide; `resource` holds what is stored about
    its resource, None where that is not in memory. Both are valid while `snapshot` is the tenant's current one.
    """

    snapshot: TenantSnapshot
    refusal: Reason | None
    resource: ResourceFacts | None = None


Known: TypeAlias = Head | Examined
"""What the outer steps found: the tenant, and where one of them examined the request, also what came of that."""


@dataclass(frozen=True, slots=True)
class Together:
    """What several questions of one tenant are answered with, all of it from one revision of its facts and one pack.

    `outcomes` are in the order of the questions; an error is the outcome of a question that can't be decided. `head` is
    what they were decided from, None where there is no such tenant.
    """

    outcomes: Sequence[Outcome]
    head: Head | None


class TogetherDecider(Protocol):
    """A step of a BatchCheck behind the one that looks up the tenant."""

    async def decide_together(self, requests: Sequence[Request], head: Head | None) -> Together:
        """Answer requests of one tenant from one revision: that of `head`, or a later one.

        Raises:
            Unavailable: could not decide now.
        """
        ...


class TenantDecider(TogetherDecider, Protocol):
    """A step of a Check behind the one that looks up the tenant."""

    async def decide(self, request: Request, head: Head) -> Decision:
        """Answer a request.

        Facts may have changed since `head` was looked up: where it is not current any more, it is looked up again.

        Raises:
            InvalidInput: the request is wrong.
            Unavailable: could not decide now.
            EngineError: a rule could not be evaluated; the caller treats it as a deny.
        """
        ...


class RuleDecider(TogetherDecider, Protocol):
    """The step of a Check that asks the rules."""

    async def decide(self, request: Request, known: Known) -> Decision:
        """Answer a request as a `TenantDecider` does; where it was examined before, that is not done again."""
        ...
