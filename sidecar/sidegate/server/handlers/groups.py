"""GroupService, whatever transport carries it."""

from __future__ import annotations

from collections.abc import Iterable

from sidegate.authz.v1 import role_pb2 as pb
from sidegate.membership.groups import GroupChange, Groups, GroupState
from sidegate.server.handlers.calls import read_call, write_call
from sidegate.server.handlers.writes import Writes
from sidegate.server.wire.names import GROUPS, ids_of, name_of, tenant_of
from sidegate.server.wire.tokens.pages import PageTokens
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.tokens.seals import Seals
from sidegate.server.wire.validation import Inspection


class GroupHandler:
    """Reads and writes groups; errors are Sidegate's own; the transport maps them."""

    def __init__(self, groups: Groups, tokens: RevisionTokens, seals: Seals) -> None:
        self._groups = groups
        self._tokens = tokens
        self._writes = Writes(tokens)
        self._pages = PageTokens(seals)

    async def create_group(self, message: pb.CreateGroupRequest) -> pb.CreateGroupResponse:
        """Create a group.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant = tenant_of(message.parent, "parent")
        inspection = Inspection()
        inspection.identifier("group_id", message.group_id)
        inspection.label("display_name", message.display_name)
        inspection.finish()
        group = GroupState(message.group_id, message.display_name, _holders(message.members, at_least=0))
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.CreateGroupResponse,
            use_case=lambda call: self._groups.create(tenant, group, call),
            respond=lambda state: pb.CreateGroupResponse(group=_group(tenant, state)),
        )

    async def get_group(self, message: pb.GetGroupRequest) -> pb.GetGroupResponse:
        """Return a group.

        Raises:
            NotPermitted: the tenant's pack denies it.
            NotFound: there is none of this name.
        """
        tenant, group = ids_of(message.name, GROUPS, "name", stored=True)
        return pb.GetGroupResponse(group=_group(tenant, await self._groups.get(tenant, group, read_call(message))))

    async def list_groups(self, message: pb.ListGroupsRequest) -> pb.ListGroupsResponse:
        """Return a page of groups.

        Raises:
            InvalidInput: the page's token is wrong.
            NotPermitted: the tenant's pack denies it.
            NotFound: there is no such tenant.
        """
        tenant, page = tenant_of(message.parent, "parent", stored=True), self._pages.open(message)
        found = await self._groups.list(tenant, read_call(message), after=page.after, limit=page.limit)
        groups, token = self._pages.cut(page, found, lambda state: state.id)
        return pb.ListGroupsResponse(groups=[_group(tenant, one) for one in groups], next_page_token=token)

    async def rename_group(self, message: pb.RenameGroupRequest) -> pb.RenameGroupResponse:
        """Rename a group: its display name changes, its ID does not.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, group = ids_of(message.name, GROUPS, "name")
        inspection = Inspection()
        inspection.label("display_name", message.display_name)
        inspection.finish()
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.RenameGroupResponse,
            use_case=lambda call: self._groups.rename(tenant, GroupState(group, message.display_name), call),
            respond=lambda state: pb.RenameGroupResponse(group=_group(tenant, state)),
        )

    async def add_group_members(self, message: pb.AddGroupMembersRequest) -> pb.AddGroupMembersResponse:
        """Add members and groups to a group.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, group = ids_of(message.name, GROUPS, "name")
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.AddGroupMembersResponse,
            use_case=lambda call: self._groups.change(
                tenant, GroupChange(group, added=_holders(message.members)), call
            ),
            respond=lambda state: pb.AddGroupMembersResponse(group=_group(tenant, state)),
        )

    async def remove_group_members(self, message: pb.RemoveGroupMembersRequest) -> pb.RemoveGroupMembersResponse:
        """Take members and groups out of a group.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, group = ids_of(message.name, GROUPS, "name", stored=True)
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.RemoveGroupMembersResponse,
            use_case=lambda call: self._groups.change(
                tenant, GroupChange(group, removed=_holders(message.members, stored=True)), call
            ),
            respond=lambda state: pb.RemoveGroupMembersResponse(group=_group(tenant, state)),
        )

    async def delete_group(self, message: pb.DeleteGroupRequest) -> pb.DeleteGroupResponse:
        """Delete a group.

        Raises:
            SidegateError: it is refused; nothing was written.
        """
        tenant, group = ids_of(message.name, GROUPS, "name", stored=True)
        return await self._writes.run(
            tenant,
            write_call(message),
            kind=pb.DeleteGroupResponse,
            use_case=lambda call: self._groups.delete(tenant, group, call),
            respond=lambda _: pb.DeleteGroupResponse(),
        )


def _holders(written: Iterable[str], *, at_least: int = 1, stored: bool = False) -> tuple[str, ...]:
    holders = tuple(written)
    inspection = Inspection()
    for position, holder in enumerate(holders):
        inspection.identifier(f"members[{position}]", holder, stored=stored)
    if len(holders) < at_least:
        inspection.add("members", "is empty: expected some, such as `member:uma`")
    inspection.finish()
    return holders


def _group(tenant: str, state: GroupState) -> pb.Group:
    return pb.Group(name=name_of(tenant, GROUPS, state.id), display_name=state.name, members=state.members)
