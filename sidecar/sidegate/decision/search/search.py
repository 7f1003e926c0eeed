"""Lists: the resources, subjects or actions for which a Check would allow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final, TypeAlias

from sidegate.decision.entities import require_claims
from sidegate.decision.evaluate import MEMBER, decided, refused_action, refused_subject, refused_type
from sidegate.decision.freshness import Freshness, patience_of
from sidegate.decision.known import Head
from sidegate.decision.rule_failures import RuleFailureLog
from sidegate.decision.search.candidates import resources_of, subjects_of
from sidegate.decision.search.ids import Ids, known_ids
from sidegate.errors import RevisionConflict, RuleFailed, TooStale
from sidegate.model.change import EntryKind
from sidegate.model.decision import Allowed, AllowedPage, Decision, PartialReason, Reason
from sidegate.model.identifiers import invisible_character
from sidegate.model.question import Request
from sidegate.model.reference import ref
from sidegate.policy.pack.schema import TENANT, InstanceOf, ResourceType
from sidegate.ports.membership_store import MembershipStore
from sidegate.replica.patches import TenantSnapshot
from sidegate.replica.resource import ResourceFacts, read_resources, without_store
from sidegate.replica.snapshots import Snapshots
from sidegate.replica.view import View
from sidegate.runtime.time_slices import in_time_slices

ATTEMPTS: Final = 8
"""How often a page starts again whose facts change before any of its candidates is decided."""
SECONDS: Final = 1.0
"""How long one page may take, and at most half of its caller's patience; then it ends early."""
BATCH: Final = 100
"""How many candidates are read in one call of the store."""

Decided: TypeAlias = Iterable[tuple[str, Decision]]
Decide: TypeAlias = Callable[[Sequence[str]], Awaitable[Decided]]
"""Reads what rules ask about candidates; those that exist are decided one by one, as the result is iterated over."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A question with one part left open, and the page of the answer to return: up to `limit` IDs after `after`."""

    request: Request
    after: str
    limit: int


class Search:
    """Finds all that is allowed, page by page and by ID, each page from one revision of the facts.

    Each candidate is decided as a Check is; candidates are found by indexes.
    """

    def __init__(
        self,
        store: MembershipStore,
        snapshots: Snapshots,
        freshness: Freshness,
        *,
        catch_up: Callable[[], Awaitable[None]],
        failures: RuleFailureLog | None = None,
    ) -> None:
        """Search through these snapshots; rules that fail are logged where there are `failures`."""
        self._store = store
        self._snapshots = snapshots
        self._freshness = freshness
        self._catch_up = catch_up
        self._failures = failures

    def __repr__(self) -> str:
        return f"Search({self._freshness!r})"

    async def resources(self, query: ListQuery) -> AllowedPage:
        """Return a page of the resources of a type on which the subject may do the action.

        Raises:
            InvalidInput: a claimed property is of another type than the pack declares.
            Unavailable: the facts can't be read now, or not freshly enough.
            RuleFailed: a condition can't be evaluated.
        """
        return await self._answered(query, self._resources)

    async def subjects(self, query: ListQuery) -> AllowedPage:
        """Return a page of the members that may do the action on the resource.

        Raises:
            InvalidInput: a claimed property is of another type than the pack declares.
            Unavailable: the facts can't be read now, or not freshly enough.
            RuleFailed: a condition can't be evaluated.
        """
        return await self._answered(query, self._subjects)

    async def actions(self, query: ListQuery) -> AllowedPage:
        """Return a page of the actions that the subject may do on the resource.

        Raises:
            InvalidInput: a claimed property is of another type than the pack declares.
            Unavailable: the facts can't be read now, or not freshly enough.
            RuleFailed: a condition can't be evaluated.
        """
        return await self._answered(query, self._actions)

    async def _answered(
        self,
        query: ListQuery,
        make_page: Callable[[ListQuery, TenantSnapshot], Awaitable[AllowedPage]],
    ) -> AllowedPage:
        async def attempted(request: Request, head: Head) -> AllowedPage | None:
            current = self._snapshots.is_current(request.tenant, head)
            snapshot = head if current and isinstance(head, TenantSnapshot) else None
            for _ in range(ATTEMPTS):
                snapshot = snapshot or await self._snapshots.tenant(request.tenant)
                if snapshot is None:
                    return None
                with suppress(RevisionConflict):
                    return await make_page(query, snapshot)
                await self._catch_up()
                snapshot = None
            raise TooStale(f"the facts of tenant `{request.tenant}` change faster than they can be read; try again")

        try:
            page = await self._freshness.answered(query.request, attempted)
        except RuleFailed as error:
            if self._failures is not None:
                self._failures.failed(error)
            raise
        return AllowedPage(reason=Reason.TENANT_UNKNOWN) if page is None else page

    async def _resources(self, query: ListQuery, snapshot: TenantSnapshot) -> AllowedPage:
        request = query.request
        reason = _refusal(request, snapshot, refused_subject, refused_type, refused_action)
        if reason is not None:
            return _refused(reason, snapshot)
        type_ = _claimed(request, snapshot)
        view = View(self._store, snapshot.tenant, revision=snapshot.revision)
        source = await resources_of(view, snapshot, request)

        async def decide(ids: Sequence[str]) -> Decided:
            existing = await _existing(view, snapshot, type_, ids)
            return (
                (id_, decided(replace(request, resource=replace(request.resource, id=id_)), snapshot, facts))
                for id_, facts in existing
            )

        return await _page(query, snapshot, source(query.after), decide)

    async def _subjects(self, query: ListQuery, snapshot: TenantSnapshot) -> AllowedPage:
        request = query.request
        reason = _refusal(request, snapshot, _refused_kind, refused_type, refused_action)
        if reason is not None:
            return _refused(reason, snapshot)
        facts = await self._facts(request, snapshot)
        view = View(self._store, snapshot.tenant, revision=snapshot.revision)
        source = await subjects_of(view, snapshot, request, facts)

        async def decide(ids: Sequence[str]) -> Decided:
            each = (replace(request, subject=replace(request.subject, id=id_)) for id_ in ids)
            active = (one for one in each if refused_subject(one, snapshot) is None)
            return ((one.subject.id, decided(one, snapshot, facts)) for one in active)

        return await _page(query, snapshot, source(query.after), decide)

    async def _actions(self, query: ListQuery, snapshot: TenantSnapshot) -> AllowedPage:
        request = query.request
        reason = _refusal(request, snapshot, refused_subject, refused_type)
        if reason is not None:
            return _refused(reason, snapshot)
        facts = await self._facts(request, snapshot)

        async def decide(actions: Sequence[str]) -> Decided:
            return ((action, decided(replace(request, action=action), snapshot, facts)) for action in actions)

        actions = sorted(snapshot.pack.actions[request.resource.type])
        return await _page(query, snapshot, known_ids(actions, query.after), decide)

    async def _facts(self, request: Request, snapshot: TenantSnapshot) -> ResourceFacts:
        type_, id_ = _claimed(request, snapshot), request.resource.id
        facts = self._snapshots.resource_in_memory(snapshot, type_, id_)
        if facts is None:
            async with self._snapshots.reading_resources:
                facts = await self._snapshots.resource(snapshot, type_, id_)
        if facts is None:
            raise RevisionConflict(f"the tenant `{snapshot.tenant}` changed while it was read")
        return facts


async def _page(query: ListQuery, snapshot: TenantSnapshot, ids: Ids, decide: Decide) -> AllowedPage:
    """Decide about candidates until the page is full, they end, or the time does.

    Raises:
        RevisionConflict: the tenant changed before any candidate was decided about.
    """
    page = AllowedPage(policy_digest=snapshot.pack.pack.digest, revision=snapshot.revision)
    ends = monotonic() + min(SECONDS, patience_of(query.request) / 2)
    found: list[Allowed] = []
    reached, size = "", min(query.limit + 1, BATCH)
    async with aclosing(ids):
        while True:
            try:
                batch = await _next(ids, size)
                decisions = await decide(batch)
            except RevisionConflict:
                if not reached:
                    raise
                return replace(page, found=tuple(found), reached=reached, partial=PartialReason.FACTS_CHANGED)
            async for id_, one in in_time_slices(decisions):
                if one.allowed and _can_be_asked(id_):
                    found.append(Allowed(id_, one.rule))
            if len(found) > query.limit:
                returned = found[: query.limit]
                return replace(page, found=tuple(returned), reached=returned[-1].id)
            if len(batch) < size:
                return replace(page, found=tuple(found))
            reached, size = batch[-1], min(2 * size, BATCH)
            if monotonic() > ends:
                return replace(page, found=tuple(found), reached=reached, partial=PartialReason.TIME_SPENT)


def _can_be_asked(id_: str) -> bool:
    """Return whether a Check could name an ID; older versions stored some with invisible characters."""
    return invisible_character(id_) is None


async def _next(ids: Ids, size: int) -> list[str]:
    batch: list[str] = []
    async for id_ in ids:
        batch.append(id_)
        if len(batch) == size:
            break
    return batch


async def _existing(
    view: View, snapshot: TenantSnapshot, type_: ResourceType, ids: Sequence[str]
) -> list[tuple[str, ResourceFacts]]:
    """Return what is stored about those resources that exist, in their order."""
    if type_.name == TENANT:
        return [(id_, ResourceFacts(snapshot.lineage, registered=False, ancestors={})) for id_ in ids]
    if type_.instances is InstanceOf.RESOURCES:
        stored = await read_resources(view, snapshot, [ref(type_.name, id_) for id_ in ids])
        return [(id_, facts) for id_ in ids if (facts := stored.get(ref(type_.name, id_))) is not None]
    known = set(ids)
    if type_.instances is InstanceOf.MEMBER:
        known.intersection_update(id_ for id_ in ids if id_ in snapshot.members)
    elif type_.instances is InstanceOf.GROUP:
        await view.load((EntryKind.GROUP, (id_,)) for id_ in ids)
        known = {id_ for id_ in ids if await view.entry(EntryKind.GROUP, id_) is not None}
    existing = ((id_, without_store(snapshot, type_, id_)) for id_ in ids if id_ in known)
    return [(id_, facts) for id_, facts in existing if facts is not None]


def _claimed(request: Request, snapshot: TenantSnapshot) -> ResourceType:
    """Return the type that is asked about, after a check of the request's claims.

    Raises:
        InvalidInput: a claimed property is of another type than the pack declares.
    """
    schema = snapshot.pack.pack.schema
    type_ = schema.resources[request.resource.type]
    require_claims(request, type_, schema)
    return type_


def _refused_kind(request: Request, _: TenantSnapshot) -> Reason | None:
    return None if request.subject.type == MEMBER else Reason.NOT_A_MEMBER


def _refusal(
    request: Request, snapshot: TenantSnapshot, *questions: Callable[[Request, TenantSnapshot], Reason | None]
) -> Reason | None:
    """Return why nothing is allowed before any rule is evaluated, None where the rules decide."""
    if snapshot.suspended:
        return Reason.TENANT_SUSPENDED
    return next((reason for ask in questions if (reason := ask(request, snapshot)) is not None), None)


def _refused(reason: Reason, snapshot: TenantSnapshot) -> AllowedPage:
    rule = snapshot.pack.membership_rules.get(reason, "")
    return AllowedPage(reason=reason, rule=rule, policy_digest=snapshot.pack.pack.digest, revision=snapshot.revision)
