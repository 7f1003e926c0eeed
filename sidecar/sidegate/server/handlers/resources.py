"""ResourceService, whatever transport carries it."""

from __future__ import annotations

from typing import Final

from sidegate.authz.v1 import resource_pb2 as pb
from sidegate.errors import InvalidInput, Violation
from sidegate.history.activity import Monitoring
from sidegate.membership.relations import Relations
from sidegate.membership.resources import HandOver, Resources, ResourceState, ResourceUpdate
from sidegate.model.page import ResourceQuery
from sidegate.model.properties import Json, Properties
from sidegate.model.reference import ref, split_ref
from sidegate.server.handlers.calls import mask_paths, read_call, write_call
from sidegate.server.handlers.writes import Writes
from sidegate.server.wire.names import RESOURCES, ids_of, name_of, tenant_of
from sidegate.server.wire.properties import read_properties, write_properties
from sidegate.server.wire.relations import read_cursor, write_cursor, write_relation
from sidegate.server.wire.timestamps import write_timestamp
from sidegate.server.wire.tokens.pages import PageTokens
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.tokens.seals import Seals
from sidegate.server.wire.validation import Inspection, quoted

_PARENTS: Final = "parents"
_PROPERTIES: Final = "properties"


class ResourceHandler:
    """Reads and writes registered resources; errors are Sidegate's own; the transport maps them."""

    def __init__(
        self,
        resources: Resources,
        *,
        monitoring: Monitoring,
        relations: Relations,
        tokens: RevisionTokens,
        seals: Seals,
    ) -> None:
        self._resources = resources
        self._monitoring = monitoring
        self._relations = relations
        self._tokens = tokens
        self._writes = Writes(tokens)
        self._pages = PageTokens(seals)

    async def register_resource(self, message: pb.RegisterResourceRequest) -> pb.RegisterResourceResponse:
        """Register a resource.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, reference = _named(message.resource.name, "resource.name")
        parents, properties = _content(message.resource)
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.RegisterResourceResponse,
            use_case=lambda call: self._resources.register(
                tenant, ResourceState(reference, parents, properties, _owner(message.owner)), call
            ),
            respond=lambda state: pb.RegisterResourceResponse(resource=_resource(tenant, state)),
        )

    async def get_resource(self, message: pb.GetResourceRequest) -> pb.GetResourceResponse:
        """Return a resource.

        Raises:
            NotPermitted: the tenant's pack denies it.
            NotFound: there is none of this name.
        """
        tenant, reference = _named(message.name, "name", stored=True)
        found = await self._resources.get(tenant, reference, read_call(message))
        return pb.GetResourceResponse(resource=_resource(tenant, found))

    async def list_registered_resources(
        self, message: pb.ListRegisteredResourcesRequest
    ) -> pb.ListRegisteredResourcesResponse:
        """Return a page of resources.

        Raises:
            InvalidInput: a condition or the page's token is wrong.
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant.
        """
        tenant, page = tenant_of(message.parent, "parent", stored=True), self._pages.open(message)
        query = _query(message)
        found = await self._resources.list(tenant, query, read_call(message), after=page.after, limit=page.limit)
        resources, token = self._pages.cut(page, found, lambda state: state.reference)
        return pb.ListRegisteredResourcesResponse(
            resources=[_resource(tenant, one) for one in resources], next_page_token=token
        )

    async def count_resources(self, message: pb.CountResourcesRequest) -> pb.CountResourcesResponse:
        """Return how many resources have this one as a parent, by type.

        Raises:
            InvalidInput: the name is not right.
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant, or no such thing.
        """
        tenant, reference = _named(message.name, "name", stored=True)
        found = await self._monitoring.count(tenant, reference, read_call(message))
        counts = [pb.ResourceCount(type=type_, count=count) for type_, count in found.counts.items()]
        return pb.CountResourcesResponse(counts=counts, last_change_time=write_timestamp(found.last_change_at))

    async def list_relations(self, message: pb.ListRelationsRequest) -> pb.ListRelationsResponse:
        """Return a page of who holds which role on a resource.

        Raises:
            InvalidInput: the page's token is wrong.
            NotPermitted: the pack denies it.
            NotFound: there is no such resource.
        """
        (tenant, reference), page = _named(message.name, "name", stored=True), self._pages.open(message)
        after = read_cursor(page.after)
        held = await self._relations.list(tenant, reference, read_call(message), after=after, limit=page.limit)
        roles, token = self._pages.cut(page, held.roles, write_cursor)
        relations = map(write_relation, roles)
        return pb.ListRelationsResponse(relations=relations, next_page_token=token, hidden=held.hidden)

    async def clone_resource(self, message: pb.CloneResourceRequest) -> pb.CloneResourceResponse:
        """Register a copy of a resource.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, reference = _named(message.name, "name")
        inspection = Inspection()
        inspection.identifier("clone_id", message.clone_id)
        inspection.finish()
        clone = ResourceState(ref(split_ref(reference)[0], message.clone_id), owner=_owner(message.owner))
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.CloneResourceResponse,
            use_case=lambda call: self._resources.clone(tenant, reference, clone, call),
            respond=lambda state: pb.CloneResourceResponse(resource=_resource(tenant, state)),
        )

    async def update_resource(self, message: pb.UpdateResourceRequest) -> pb.UpdateResourceResponse:
        """Set properties of a resource, and its parents.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, reference = _named(message.resource.name, "resource.name")
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.UpdateResourceResponse,
            use_case=lambda call: self._resources.update(tenant, _update(reference, message), call),
            respond=lambda state: pb.UpdateResourceResponse(resource=_resource(tenant, state)),
        )

    async def delete_resource(self, message: pb.DeleteResourceRequest) -> pb.DeleteResourceResponse:
        """Delete a resource.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, reference = _named(message.name, "name", stored=True)
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.DeleteResourceResponse,
            use_case=lambda call: self._resources.delete(tenant, reference, call),
            respond=lambda _: pb.DeleteResourceResponse(),
        )

    async def hand_over(self, message: pb.HandOverRequest) -> pb.HandOverResponse:
        """Hand over what one member holds to another.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant = tenant_of(message.parent, "parent", stored=True)
        former = getattr(message, "from")
        inspection = Inspection()
        inspection.identifier("from", former, stored=True)
        inspection.identifier("to", message.to)
        inspection.finish()
        order = HandOver(former, message.to, frozenset(message.roles), frozenset(message.resources))
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.HandOverResponse,
            use_case=lambda call: self._resources.hand_over(tenant, order, call),
            respond=lambda count: pb.HandOverResponse(resources=count),
        )


def _named(name: str, field: str, *, stored: bool = False) -> tuple[str, str]:
    tenant, reference = ids_of(name, RESOURCES, field, stored=stored)
    type_, id_ = split_ref(reference)
    if not (type_ and id_):
        message = f"{quoted(name)} is not right: expected `type:id` at its end, such as `template:nda`"
        raise InvalidInput(Violation(field, message))
    return tenant, reference


def _query(message: pb.ListRegisteredResourcesRequest) -> ResourceQuery:
    inspection = Inspection()
    if message.type:
        inspection.word("type", message.type, example="document")
    for field, example in (("inside", "template:nda"), ("owner", "member:uma")):
        reference = getattr(message, field)
        type_, id_ = split_ref(reference)
        if reference and not (type_ and id_):
            inspection.add(field, f"{quoted(reference)} is not right: expected `type:id`, such as `{example}`")
        inspection.label(field, reference)
    inspection.finish()
    return ResourceQuery(message.type, parent=message.inside, owner=message.owner)


def _content(resource: pb.RegisteredResource) -> tuple[tuple[str, ...], Properties]:
    """Return the parents and the properties that a message names."""
    inspection = Inspection()
    for position, parent in enumerate(resource.parents):
        inspection.identifier(f"resource.parents[{position}]", parent)
    properties = read_properties(resource.properties, "resource.properties", inspection)
    inspection.finish()
    return tuple(resource.parents), properties


def _update(reference: str, message: pb.UpdateResourceRequest) -> ResourceUpdate:
    paths = mask_paths(
        message,
        known=lambda path: path in (_PARENTS, _PROPERTIES) or path.startswith(f"{_PROPERTIES}."),
        expected="`parents`, `properties` or `properties.<name>`",
    )
    parents, given = _content(message.resource)
    whole = _PROPERTIES in paths
    named = [path.removeprefix(f"{_PROPERTIES}.") for path in paths if path.startswith(f"{_PROPERTIES}.")]
    properties: dict[str, Json] = {**given} if whole else {name: given.get(name) for name in named}
    return ResourceUpdate(
        reference,
        parents if _PARENTS in paths else None,
        properties if whole or named else None,
        whole=whole,
        etag=message.resource.etag,
    )


def _owner(member: str) -> str:
    if not member:
        return ""
    inspection = Inspection()
    inspection.identifier("owner", member)
    inspection.finish()
    return ref("member", member)


def _resource(tenant: str, state: ResourceState) -> pb.RegisteredResource:
    return pb.RegisteredResource(
        name=name_of(tenant, RESOURCES, state.reference),
        parents=state.parents,
        properties=write_properties(state.properties),
        owner=state.owner,
        etag=state.etag,
    )
