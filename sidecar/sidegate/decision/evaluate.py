"""The innermost step: reads all facts, then evaluates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from sidegate.decision.entities import context_entity, resource_entity, subject_entity
from sidegate.decision.known import Examined, Head, Known, Together
from sidegate.decision.rule_failures import RuleFailureLog, rule_failed
from sidegate.errors import EvaluationError, RuleFailed, SidegateError, TooStale
from sidegate.model.decision import Decision, Reason
from sidegate.model.facts import MemberStatus
from sidegate.model.question import Request
from sidegate.model.reference import ref
from sidegate.model.rules import Answer
from sidegate.policy.pack.compile import CompiledPack
from sidegate.ports.decider import Outcome
from sidegate.replica.patches import TenantSnapshot
from sidegate.replica.resource import ResourceFacts
from sidegate.replica.snapshots import Snapshots
from sidegate.runtime.time_slices import in_time_slices

ATTEMPTS = 8
"""How often facts are read again that change while they are read."""

_BY_STATUS = {MemberStatus.PENDING: Reason.MEMBER_PENDING, MemberStatus.INACTIVE: Reason.MEMBER_INACTIVE}
BEFORE_RULES = frozenset(
    {
        Reason.TENANT_UNKNOWN,
        Reason.TENANT_SUSPENDED,
        Reason.NOT_A_MEMBER,
        Reason.UNKNOWN_RESOURCE_TYPE,
        Reason.UNKNOWN_ACTION,
        *_BY_STATUS.values(),
    }
)
"""Why a request is denied before any rule is evaluated; a pack may give rules the same reasons."""
ALLOW = "allow"
MEMBER = "member"
"""The type of subjects that are members; subjects of other types are always denied."""


class Evaluator:
    """Decides from one revision of the facts; the state of the tenant and the member decides before any rule does."""

    def __init__(
        self, snapshots: Snapshots, *, catch_up: Callable[[], Awaitable[None]], failures: RuleFailureLog | None = None
    ) -> None:
        """Decide from these snapshots; rules that fail are logged where there are `failures`."""
        self._snapshots = snapshots
        self._catch_up = catch_up
        self._failures = failures

    def __repr__(self) -> str:
        return f"Evaluator({self._snapshots!r})"

    async def decide(self, request: Request, known: Known | None = None) -> Decision:
        """Answer from memory, and from the store on the first use of a tenant or resource.

        What is `known` is used while its snapshot is the tenant's current one; else the tenant is looked up here.

        Raises:
            InvalidInput: a claimed property is of another type than the pack declares.
            Unavailable: the facts can't be read, or change faster than they can be read.
            RuleFailed: a condition can't be evaluated.
        """
        try:
            return await self._decide(request, known)
        except RuleFailed as error:
            if self._failures is not None:
                self._failures.failed(error)
            raise

    async def _decide(self, request: Request, known: Known | None) -> Decision:
        if isinstance(known, Examined) and self._snapshots.is_current(request.tenant, known.snapshot):
            snapshot, reason, facts = known.snapshot, known.refusal, known.resource
        else:
            found = await self._snapshot(request.tenant, known)
            if found is None:
                return Decision(allowed=False, reason=Reason.TENANT_UNKNOWN)
            snapshot, reason, facts = found, refusal(request, found), None
        if reason is not None:
            return _refused(reason, snapshot)
        if facts is None:
            type_ = snapshot.pack.pack.schema.resources[request.resource.type]
            facts = self._snapshots.resource_in_memory(snapshot, type_, request.resource.id)
        return await self._read_and_decided(request) if facts is None else decided(request, snapshot, facts)

    async def _read_and_decided(self, request: Request) -> Decision:
        """Wait for a turn to read resources, then decide from the facts of that time; a repeated read does not wait."""
        async with self._snapshots.reading_resources:
            for _ in range(ATTEMPTS):
                snapshot = await self._snapshots.tenant(request.tenant)
                if snapshot is None:
                    return Decision(allowed=False, reason=Reason.TENANT_UNKNOWN)
                if (reason := refusal(request, snapshot)) is not None:
                    return _refused(reason, snapshot)
                type_ = snapshot.pack.pack.schema.resources[request.resource.type]
                facts = await self._snapshots.resource(snapshot, type_, request.resource.id)
                if facts is not None:
                    return decided(request, snapshot, facts)
                # The resource can't be read at the snapshot's revision any more.
                await self._catch_up()
        raise TooStale(f"the facts of tenant `{request.tenant}` change faster than they can be read; try again")

    async def decide_together(self, requests: Sequence[Request], head: Head | None) -> Together:
        """Answer requests of one tenant, all from one snapshot; the resources that memory lacks are read in one call.

        Raises:
            Unavailable: the facts can't be read, or change faster than they can be read.
        """
        tenant = requests[0].tenant
        snapshot = await self._snapshot(tenant, head)
        if snapshot is None:
            return _unknown(requests)
        facts, missing = self._in_memory(requests, snapshot)
        if missing:
            async with self._snapshots.reading_resources:
                for _ in range(ATTEMPTS):
                    # Others may have read the same meanwhile, or the tenant may have changed.
                    snapshot = await self._snapshots.tenant(tenant)
                    if snapshot is None:
                        return _unknown(requests)
                    facts, missing = self._in_memory(requests, snapshot)
                    loaded = await self._snapshots.resources_together(snapshot, missing) if missing else {}
                    if loaded is not None:
                        facts.update(loaded)
                        break
                    await self._catch_up()
                else:
                    raise TooStale(f"the facts of tenant `{tenant}` change faster than they can be read; try again")
        return Together([one async for one in self._outcomes(requests, snapshot, facts)], snapshot)

    def _in_memory(
        self, requests: Sequence[Request], snapshot: TenantSnapshot
    ) -> tuple[dict[str, ResourceFacts], set[str]]:
        """Return the facts in memory about the resources that rules decide on, and the references of the others."""
        facts: dict[str, ResourceFacts] = {}
        missing: set[str] = set()
        for request in requests:
            type_, reference = request.resource.type, ref(request.resource.type, request.resource.id)
            if reference in facts or reference in missing or refusal(request, snapshot) is not None:
                continue
            declared = snapshot.pack.pack.schema.resources[type_]
            found = self._snapshots.resource_in_memory(snapshot, declared, request.resource.id)
            if found is None:
                missing.add(reference)
            else:
                facts[reference] = found
        return facts, missing

    async def _outcomes(
        self, requests: Sequence[Request], snapshot: TenantSnapshot, facts: Mapping[str, ResourceFacts]
    ) -> AsyncIterator[Outcome]:
        """Yield the outcome of each request; other calls run meanwhile, but snapshot and facts don't change."""
        async for request in in_time_slices(requests):
            if (reason := refusal(request, snapshot)) is not None:
                yield _refused(reason, snapshot)
                continue
            try:
                yield decided(request, snapshot, facts[ref(request.resource.type, request.resource.id)])
            except RuleFailed as error:
                if self._failures is not None:
                    self._failures.failed(error)
                yield error
            except SidegateError as error:
                yield error

    async def _snapshot(self, tenant: str, known: Known | None) -> TenantSnapshot | None:
        """Return the tenant's current snapshot, which may be the one that is known."""
        if isinstance(known, TenantSnapshot) and self._snapshots.is_current(tenant, known):
            return known
        return await self._snapshots.tenant(tenant)


def decided(request: Request, snapshot: TenantSnapshot, facts: ResourceFacts) -> Decision:
    """Decide by the rules, from all facts that they can read; the subject is a member.

    Raises:
        InvalidInput: a claimed property is of another type than the pack declares.
        RuleFailed: a condition can't be evaluated.
    """
    pack = snapshot.pack
    schema = pack.pack.schema
    values = (
        subject_entity(request, snapshot.members[request.subject.id], schema),
        snapshot.entity,
        resource_entity(request.resource, schema.resources[request.resource.type], facts),
        request.action,
        context_entity(request.context, schema),
    )
    try:
        answer = snapshot.program.evaluate(values, facts.links)
    except EvaluationError as error:
        raise rule_failed(error, snapshot) from error
    return _explained(answer, pack, snapshot)


def refusal(request: Request, snapshot: TenantSnapshot) -> Reason | None:
    """Return why a request is denied before any rule is evaluated, None where the rules decide."""
    if snapshot.suspended:
        return Reason.TENANT_SUSPENDED
    return refused_subject(request, snapshot) or refused_type(request, snapshot) or refused_action(request, snapshot)


def refused_subject(request: Request, snapshot: TenantSnapshot) -> Reason | None:
    """Return why a subject is denied everything, None where it is an active member."""
    member = snapshot.members.get(request.subject.id) if request.subject.type == MEMBER else None
    if member is None:
        return Reason.NOT_A_MEMBER
    return None if member.status is MemberStatus.ACTIVE else _BY_STATUS[member.status]


def refused_type(request: Request, snapshot: TenantSnapshot) -> Reason | None:
    """Return why everything on a resource is denied, None where the pack declares its type."""
    return None if request.resource.type in snapshot.pack.actions else Reason.UNKNOWN_RESOURCE_TYPE


def refused_action(request: Request, snapshot: TenantSnapshot) -> Reason | None:
    """Return why an action is denied to everyone, None where the pack declares it for the resource's type."""
    return None if request.action in snapshot.pack.actions[request.resource.type] else Reason.UNKNOWN_ACTION


def _unknown(requests: Sequence[Request]) -> Together:
    return Together([Decision(allowed=False, reason=Reason.TENANT_UNKNOWN) for _ in requests], None)


def _refused(reason: Reason, snapshot: TenantSnapshot) -> Decision:
    """Return a deny that no row decided; the pack may have given its reason a rule's ID."""
    pack = snapshot.pack
    return Decision(
        allowed=False,
        reason=reason,
        rule=pack.membership_rules.get(reason, ""),
        policy_digest=pack.pack.digest,
        revision=snapshot.revision,
    )


def _explained(answer: Answer, pack: CompiledPack, snapshot: TenantSnapshot) -> Decision:
    """Return the decision that an engine's answer means, with the deciding rule's reason and obligations."""
    if answer.rule is None:
        return _refused(Reason.NO_MATCHING_RULE, snapshot)
    *_, effect, rule = answer.rule
    allowed = answer.allowed and effect == ALLOW
    denial = (Reason.DENIED_BY_RULE.value, ())
    reason, obligations = (Reason.ALLOWED_BY_RULE.value, ()) if allowed else pack.denials.get(rule, denial)
    return Decision(
        allowed=allowed,
        reason=reason,
        rule=rule,
        policy_digest=pack.pack.digest,
        revision=snapshot.revision,
        obligations=obligations,
    )
