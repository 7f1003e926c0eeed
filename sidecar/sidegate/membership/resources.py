"""Resources: registered with an owner, cloned, updated, deleted and handed over (EF-06, EF-07, EF-10)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sidegate.errors import AlreadyExists, InvalidInput, NotFound, NotPermitted, Violation, WrongState
from sidegate.facts.entry_fault import EntryFault
from sidegate.membership.command.call import Call
from sidegate.membership.command.context import NO_AUTHORITY, CommandContext
from sidegate.membership.command.etags import etag_of, require_etag
from sidegate.membership.command.members import member_of
from sidegate.membership.command.read import ReadRunner
from sidegate.membership.command.request_fields import FieldOf, fixed, item_of
from sidegate.membership.command.run import CommandRunner, Written
from sidegate.membership.member_resources import delete_resources, resources_of, transfer_resources
from sidegate.membership.resource_rules import (
    ask_on,
    ask_parents,
    require_moving,
    require_registering,
    require_registrable,
)
from sidegate.model.change import EntryKind
from sidegate.model.entry import Payload
from sidegate.model.facts import MemberStatus
from sidegate.model.page import Relation, ResourceQuery, ResourceRecord
from sidegate.model.properties import NO_PROPERTIES, Json, Properties
from sidegate.model.reference import ref, split_ref
from sidegate.policy.pack.schema import OWNER, Operation


@dataclass(frozen=True, slots=True)
class ResourceState:
    """A resource as it is; `owner` is a reference, "" if nobody owns it."""

    reference: str
    parents: tuple[str, ...] = ()
    properties: Properties = field(default_factory=lambda: NO_PROPERTIES)
    owner: str = ""

    @property
    def etag(self) -> str:
        """The digest of parents and properties; the owner is not part of it."""
        return etag_of(_payload(self.parents, self.properties))


@dataclass(frozen=True, slots=True)
class ResourceUpdate:
    """New parents and properties of a resource; None leaves all of them unchanged.

    A property that is None is removed; `whole` removes all that are not given; an empty `etag` requires nothing.
    """

    reference: str
    parents: Collection[str] | None = None
    properties: Mapping[str, Json | None] | None = None
    whole: bool = False
    etag: str = ""


@dataclass(frozen=True, slots=True)
class HandOver:
    """Two members of a hand-over; no `roles` means all that the former itself holds, no `resources` all documents.

    Documents are resources of the types that are no parents of others; a template is handed over by its name.
    """

    former: str
    new_holder: str
    roles: Collection[str] = ()
    resources: Collection[str] = ()


class Resources:
    """The use cases of registered resources."""

    def __init__(self, commands: CommandRunner, reads: ReadRunner) -> None:
        self._commands = commands
        self._reads = reads

    async def get(self, tenant: str, reference: str, call: Call) -> ResourceState:
        """Return a resource.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant, or no such resource.
        """

        async def read(context: CommandContext) -> ResourceState:
            await context.ask_view(reference)
            found = await context.draft.entry(EntryKind.RESOURCE, reference)
            if found is None:
                raise NotFound(f"there is no `{reference}` in tenant `{tenant}`")
            return ResourceState(
                reference, tuple(found["parents"]), found["properties"], await _owner(context, reference)
            )

        return await self._reads.run(tenant, call, read)

    async def list(
        self, tenant: str, query: ResourceQuery, call: Call, *, after: str, limit: int
    ) -> Sequence[ResourceState]:
        """Return a page of resources, by type and ID.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant.
        """

        async def read(context: CommandContext) -> Sequence[ResourceRecord]:
            await context.ask(Operation.LIST_RESOURCES)
            return await context.draft.read(lambda store: store.resource_page(tenant, query, after=after, limit=limit))

        return [_state(record) for record in await self._reads.run(tenant, call, read)]

    async def register(self, tenant: str, resource: ResourceState, call: Call) -> Written[ResourceState]:
        """Register a resource (EF-05, EF-06).

        Raises:
            NotPermitted: the pack denies it, or a member registers for another.
            AlreadyExists: there is such a resource.
            InvalidInput: the type, a parent or a property is not right.
        """

        async def plan(context: CommandContext) -> ResourceState:
            type_ = require_registrable(context, resource.reference, field="resource.name")
            await require_registering(context, type_, resource.parents)
            return await _put(context, resource)

        return await self._commands.run(
            tenant, call, plan=plan, field_of=_content_field(resource.parents, resource.properties)
        )

    async def clone(self, tenant: str, source: str, clone: ResourceState, call: Call) -> Written[ResourceState]:
        """Register a copy of a resource, which belongs to the actor that cloned it (EF-07).

        Raises:
            NotPermitted: the pack denies it, on the resource or on a parent of it, or a member clones for another.
            NotFound: there is no such resource.
            AlreadyExists: there is one of the clone's ID.
        """

        async def plan(context: CommandContext) -> ResourceState:
            type_ = require_registrable(context, source)
            await ask_on(context, type_.cloned_with, source)
            payload = await context.draft.entry(EntryKind.RESOURCE, source)
            if payload is None:
                raise NotFound(f"there is no `{source}` in tenant `{context.tenant}`")
            await ask_parents(context, type_.registered_with, payload["parents"])
            made = ResourceState(clone.reference, tuple(payload["parents"]), payload["properties"], clone.owner)
            return await _put(context, made)

        return await self._commands.run(tenant, call, plan=plan, field_of=_clone_field)

    async def update(self, tenant: str, update: ResourceUpdate, call: Call) -> Written[ResourceState]:
        """Set properties of a resource, and its parents.

        Raises:
            NotPermitted: the pack denies either.
            NotFound: there is no such resource.
            StaleEtag: it was changed since its etag was read.
            InvalidInput: a parent or a property is not right.
        """

        async def plan(context: CommandContext) -> ResourceState:
            type_ = require_registrable(context, update.reference, field="resource.name")
            if update.properties is not None:
                await ask_on(context, type_.updated_with, update.reference)
            stored = await context.draft.entry(EntryKind.RESOURCE, update.reference)
            before, after = {*(stored["parents"] if stored else ())}, update.parents
            if after is not None:
                await require_moving(context, type_, update.reference, {*after} - before)
            if stored is None:
                raise NotFound(f"there is no `{update.reference}` in tenant `{context.tenant}`")
            require_etag(update.etag, stored, name=update.reference)
            merged = {**({} if update.whole else stored["properties"]), **(update.properties or {})}
            properties = {name: value for name, value in merged.items() if value is not None}
            parents = before if after is None else {*after}
            context.draft.put(EntryKind.RESOURCE, update.reference, payload=_payload(parents, properties))
            owner = await _owner(context, update.reference)
            return ResourceState(update.reference, tuple(sorted(parents)), properties, owner)

        return await self._commands.run(
            tenant, call, plan=plan, field_of=_content_field([*(update.parents or ())], update.properties or {})
        )

    async def delete(self, tenant: str, reference: str, call: Call) -> Written[None]:
        """Delete a resource with all grants on it.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such resource.
            DocumentsHeld: other resources are in it.
        """

        async def plan(context: CommandContext) -> None:
            type_ = require_registrable(context, reference)
            await ask_on(context, type_.deleted_with, reference)
            if await context.draft.entry(EntryKind.RESOURCE, reference) is None:
                raise NotFound(f"there is no `{reference}` in tenant `{context.tenant}`")
            await delete_resources(context, [reference])

        return await self._commands.run(tenant, call, plan=plan)

    async def hand_over(self, tenant: str, order: HandOver, call: Call) -> Written[int]:
        """Let one member take over what another holds on resources, in one transaction (EF-10, MS-12).

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such member.
            InvalidInput: the two are one, or a named resource is not the former's.
            WrongState: the new holder is inactive.
        """

        async def plan(context: CommandContext) -> int:
            await context.ask(Operation.TRANSFER_DOCUMENTS)
            await _require_two_members(context, order)
            moved = await _draft_hand_over(context, order)
            if not_held := sorted({*order.resources} - moved):
                message = f"`{order.former}` holds nothing on `{not_held[0]}` to hand over"
                raise InvalidInput(Violation("resources", message))
            return len(moved)

        return await self._commands.run(tenant, call, plan=plan, field_of=fixed("to"))


async def _put(context: CommandContext, resource: ResourceState) -> ResourceState:
    if await context.draft.entry(EntryKind.RESOURCE, resource.reference) is not None:
        raise AlreadyExists(f"there is a `{resource.reference}` already")
    owner = resource.owner or ("" if context.call.is_platform else context.call.actor)
    if not context.call.is_platform and owner != context.call.actor:
        raise NotPermitted("a member registers resources for itself", why=NO_AUTHORITY)
    payload = _payload(resource.parents, resource.properties)
    context.draft.put(EntryKind.RESOURCE, resource.reference, payload=payload)
    if owner:
        key = (OWNER, resource.reference, owner)
        await context.draft.load([(EntryKind.GRANT, key)])
        context.draft.put(EntryKind.GRANT, *key, payload={})
    return replace(resource, parents=tuple(sorted({*resource.parents})), owner=owner)


def _state(record: ResourceRecord) -> ResourceState:
    resource = record.resource
    return ResourceState(resource.ref, tuple(sorted(resource.parents)), resource.properties, record.owner)


def _payload(parents: Iterable[str], properties: Properties) -> Payload:
    return {"parents": [*sorted({*parents})], "properties": dict(properties)}


async def _owner(context: CommandContext, reference: str) -> str:
    held = await context.draft.related(Relation.GRANTS_ON, reference)
    return next((holder for _, (role, _, holder) in held if role == OWNER), "")


async def _require_two_members(context: CommandContext, order: HandOver) -> None:
    await member_of(context, order.former)
    new_holder = await member_of(context, order.new_holder)
    if order.former == order.new_holder:
        raise InvalidInput(Violation("to", "is who hands over: expected another member"))
    if new_holder.status is MemberStatus.INACTIVE:
        raise WrongState(f"member `{order.new_holder}` is inactive: expected one that can use the documents")


async def _draft_hand_over(context: CommandContext, order: HandOver) -> set[str]:
    """Draft the hand-over, and return the references of the resources that change hands."""
    old, new = ref("member", order.former), ref("member", order.new_holder)
    held = await context.draft.related(Relation.GRANTS_OF, old)
    keys = [
        (role, scope)
        for _, (role, scope, _holder) in held
        if scope != context.scope and _is_named(role, order.roles) and _is_handed_over(context, scope, order)
    ]
    await context.draft.load((EntryKind.GRANT, (role, scope, new)) for role, scope in keys)
    for role, scope in keys:
        context.draft.remove(EntryKind.GRANT, role, scope, old)
        context.draft.put(EntryKind.GRANT, role, scope, new, payload={})
    moved = {scope for _, scope in keys}
    if _is_named(OWNER, order.roles):
        contained = [one for one in await resources_of(context, order.former) if _is_handed_over(context, one, order)]
        await transfer_resources(context, [*moved, *contained], former=order.former, new_owner=order.new_holder)
        moved.update(contained)
    return moved


def _is_handed_over(context: CommandContext, reference: str, order: HandOver) -> bool:
    """Return whether a resource is handed over: a named one, or each of a type that is no parent of others."""
    return reference in order.resources if order.resources else split_ref(reference)[0] not in context.schema.parents


def _is_named(name: str, names: Collection[str]) -> bool:
    return not names or name in names


def _content_field(parents: Sequence[str], properties: Mapping[str, Json | None]) -> FieldOf:
    """Return a function that names the given parent or property, or the resource for stored ones."""

    def field_of(fault: EntryFault) -> str:
        if fault.entity is EntryKind.GRANT:
            return "owner"
        match fault.detail:
            case ("parents", parent):
                return item_of("resource.parents", parents, parent) or "resource.name"
            case ("properties", name) if name in properties:
                return f"resource.properties.{name}"
            case _:
                return "resource.name"

    return field_of


def _clone_field(fault: EntryFault) -> str:
    return "owner" if fault.entity is EntryKind.GRANT else "name"
