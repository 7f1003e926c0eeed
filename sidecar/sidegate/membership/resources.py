"""Resources: registered with their owner, cloned, deleted, and taken over by another (EF-06, EF-07, EF-10)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from sidegate.errors import AlreadyExists, DocumentsHeld, InvalidInput, NotFound, NotPermitted, Violation, WrongState
from sidegate.membership.commander import Commander, Written
from sidegate.membership.finding import near, one_of
from sidegate.membership.holdings import hand_over, holdings_of
from sidegate.membership.people import member_of
from sidegate.membership.reader import Reader
from sidegate.membership.step import NO_AUTHORITY, Caller, Step
from sidegate.model import ANY, Entity, Json, MemberStatus, Relation, ref, split_ref
from sidegate.policy.schema import OWNER, InstanceOf, Operation, ResourceType


@dataclass(frozen=True, slots=True)
class ResourceState:
    """A resource as it is; `owner` is a reference, "" where nobody owns it."""

    reference: str
    parents: tuple[str, ...] = ()
    properties: Mapping[str, Json] | None = None
    owner: str = ""


@dataclass(frozen=True, slots=True)
class HandOver:
    """Who hands over to whom; no `roles` means all that the member itself holds, no `resources` all documents.

    Documents are resources of the types that nothing else stands in; a template is handed over by its name.
    """

    former: str
    heir: str
    roles: Collection[str] = ()
    resources: Collection[str] = ()


class Resources:
    """The use cases of registered resources."""

    def __init__(self, commander: Commander, reader: Reader) -> None:
        self._commander = commander
        self._reader = reader

    async def get(self, tenant: str, reference: str, caller: Caller) -> ResourceState:
        """Return a resource.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant, or no such resource.
        """

        async def look(step: Step) -> ResourceState:
            await step.ask_view(reference)
            found = await step.draft.entry(Entity.RESOURCE, reference)
            if found is None:
                raise NotFound(f"there is no `{reference}` in tenant `{tenant}`")
            held = await step.draft.related(Relation.GRANTS_ON, reference)
            owner = next((key[2] for _, key in held if key[0] == OWNER), "")
            return ResourceState(reference, tuple(found["parents"]), found["properties"], owner)

        return await self._reader.read(tenant, caller, look)

    async def register(
        self, tenant: str, resource: ResourceState, caller: Caller, respond: Callable[[ResourceState], bytes]
    ) -> Written:
        """Make a resource known (EF-05, EF-06).

        Raises:
            NotPermitted: the pack denies it, or a member registers for another.
            AlreadyExists: there is such a resource.
            InvalidInput: the type, a parent or a property is not right.
        """

        async def plan(step: Step) -> ResourceState:
            type_ = _registrable(step, resource.reference)
            await _require_right(step, type_, resource)
            return await _put(step, resource)

        return await self._commander.perform(tenant, caller, plan=plan, respond=respond)

    async def clone(
        self, tenant: str, source: str, clone: ResourceState, caller: Caller, respond: Callable[[ResourceState], bytes]
    ) -> Written:
        """Make a resource like another, which belongs to who cloned it (EF-07).

        Raises:
            NotPermitted: the pack denies it, or a member clones for another.
            NotFound: there is no such resource.
            AlreadyExists: there is one of the clone's ID.
        """

        async def plan(step: Step) -> ResourceState:
            type_ = _registrable(step, source)
            await _ask(step, type_.cloned_with, source)
            payload = await step.draft.entry(Entity.RESOURCE, source)
            if payload is None:
                raise NotFound(f"there is no `{source}` in tenant `{step.tenant}`")
            made = ResourceState(clone.reference, tuple(payload["parents"]), payload["properties"], clone.owner)
            return await _put(step, made)

        return await self._commander.perform(tenant, caller, plan=plan, respond=respond)

    async def delete(self, tenant: str, reference: str, caller: Caller, respond: Callable[[None], bytes]) -> Written:
        """Delete a resource with all that is held on it.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such resource.
            DocumentsHeld: others stand in it.
        """

        async def plan(step: Step) -> None:
            type_ = _registrable(step, reference)
            await _ask(step, type_.deleted_with, reference)
            if await step.draft.entry(Entity.RESOURCE, reference) is None:
                raise NotFound(f"there is no `{reference}` in tenant `{step.tenant}`")
            inside = await step.draft.related(Relation.CHILDREN, reference)
            if inside:
                message = f"{len(inside)} resources stand in `{reference}`: delete or move them first"
                raise DocumentsHeld(message, count=len(inside))
            for entity, key in await step.draft.related(Relation.GRANTS_ON, reference):
                step.draft.remove(entity, *key)
            step.draft.remove(Entity.RESOURCE, reference)

        return await self._commander.perform(tenant, caller, plan=plan, respond=respond)

    async def hand_over(self, tenant: str, order: HandOver, caller: Caller, respond: Callable[[int], bytes]) -> Written:
        """Let one member take over what another holds on resources, in one transaction (EF-10, MS-12).

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such member.
            InvalidInput: the two are one, or a named resource is not the former's.
            WrongState: the heir is inactive.
        """

        async def plan(step: Step) -> int:
            await step.ask(Operation.TRANSFER_DOCUMENTS)
            await _require_two(step, order)
            moved = await _moved(step, order)
            if strange := sorted({*order.resources} - moved):
                message = f"`{order.former}` holds nothing on `{strange[0]}` to hand over"
                raise InvalidInput(Violation("resources", message))
            return len(moved)

        return await self._commander.perform(tenant, caller, plan=plan, respond=respond)


def _registrable(step: Step, reference: str) -> ResourceType:
    known = {name: type_ for name, type_ in step.schema.resources.items() if type_.instances is InstanceOf.RESOURCES}
    name, id_ = split_ref(reference)
    if name not in known or not id_ or id_ == ANY:
        message = f"`{reference}` can't be registered: {near(name, known, one_of(known))}"
        raise InvalidInput(Violation("name", message))
    return known[name]


async def _require_right(step: Step, type_: ResourceType, resource: ResourceState) -> None:
    """Require that the actor may register this: by an action on the type as a whole, or on the parent it names."""
    on, _, action = type_.registered_with.partition(":")
    if on == type_.name or not action:
        await _ask(step, action, ref(type_.name, ANY))
        return
    parent = next((parent for parent in resource.parents if split_ref(parent)[0] == on), None)
    if parent is None and not step.caller.is_platform:
        raise InvalidInput(Violation("resource.parents", f"expected the `{on}` that a `{type_.name}` is made in"))
    await _ask(step, action, parent or "")


async def _ask(step: Step, action: str, reference: str) -> None:
    if step.caller.is_platform:
        return
    if not action:
        raise NotPermitted(f"only the platform can do this to `{reference}`", why="no_operation")
    await step.ask_action(action, reference)


async def _put(step: Step, resource: ResourceState) -> ResourceState:
    if await step.draft.entry(Entity.RESOURCE, resource.reference) is not None:
        raise AlreadyExists(f"there is a `{resource.reference}` already")
    owner = resource.owner or ("" if step.caller.is_platform else step.caller.actor)
    if not step.caller.is_platform and owner != step.caller.actor:
        raise NotPermitted("a member registers resources for itself", why=NO_AUTHORITY)
    payload: dict[str, Json] = {
        "parents": [*sorted(set(resource.parents))],
        "properties": dict(resource.properties or {}),
    }
    step.draft.put(Entity.RESOURCE, resource.reference, payload=payload)
    if owner:
        key = (OWNER, resource.reference, owner)
        await step.draft.load([(Entity.GRANT, key)])
        step.draft.put(Entity.GRANT, *key, payload={})
    return ResourceState(resource.reference, tuple(sorted(set(resource.parents))), resource.properties, owner)


async def _require_two(step: Step, order: HandOver) -> None:
    await member_of(step, order.former)
    heir = await member_of(step, order.heir)
    if order.former == order.heir:
        raise InvalidInput(Violation("to", "is who hands over: expected another member"))
    if heir.status is MemberStatus.INACTIVE:
        raise WrongState(f"member `{order.heir}` is inactive: expected one that can use the documents")


async def _moved(step: Step, order: HandOver) -> set[str]:
    """Draft what moves, and return the references of the resources that it is about."""
    old, new = ref("member", order.former), ref("member", order.heir)
    held = await step.draft.related(Relation.GRANTS_OF, old)
    keys = [
        (role, scope)
        for _, (role, scope, _holder) in held
        if scope != step.scope and _chosen(role, order.roles) and _meant(step, scope, order)
    ]
    await step.draft.load((Entity.GRANT, (role, scope, new)) for role, scope in keys)
    for role, scope in keys:
        step.draft.remove(Entity.GRANT, role, scope, old)
        step.draft.put(Entity.GRANT, role, scope, new, payload={})
    moved = {scope for _, scope in keys}
    if _chosen(OWNER, order.roles):
        places = [one for one in await holdings_of(step, order.former) if _meant(step, one, order)]
        await hand_over(step, [*moved, *places], former=order.former, heir=order.heir)
        moved.update(places)
    return moved


def _meant(step: Step, reference: str, order: HandOver) -> bool:
    """Return whether a resource is handed over: a named one, else each of a type that nothing else stands in."""
    return reference in order.resources if order.resources else split_ref(reference)[0] not in step.schema.parents


def _chosen(name: str, names: Collection[str]) -> bool:
    return not names or name in names
