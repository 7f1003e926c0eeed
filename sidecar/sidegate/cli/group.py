"""`sidegate group`: teams, divisions and departments."""

from __future__ import annotations

from collections.abc import Iterator

import click

from sidegate.authz.v1 import role_pb2 as pb
from sidegate.authz.v1.role_pb2_grpc import GroupServiceStub, RoleServiceStub
from sidegate.cli.shell.commands import Command, lazy_group
from sidegate.cli.shell.confirmation import Confirmation, confirmation_option
from sidegate.cli.shell.names import holder_ref, id_of
from sidegate.cli.shell.session import Session, page_options, read_options, write_options

COMMANDS = {
    "create": "sidegate.cli.group:create",
    "list": "sidegate.cli.group:list_",
    "show": "sidegate.cli.group:show",
    "rename": "sidegate.cli.group:rename",
    "add": "sidegate.cli.group:add",
    "remove": "sidegate.cli.group:remove",
    "delete": "sidegate.cli.group:delete",
}
EXAMPLES = (
    ("Create a team of two", "sidegate group create --tenant acme sales uma ugo --name Sales"),
    ("Add it to a division", "sidegate group add --tenant acme emea group:sales"),
)
_HOLDERS = click.argument("holders", nargs=-1, required=True, metavar="HOLDER...")


@lazy_group(COMMANDS, examples=EXAMPLES)
def group() -> None:
    """Create groups, and add and remove their members."""


@click.command(cls=Command, examples=(("A team", "sidegate group create --tenant acme sales uma --name Sales"),))
@click.argument("group")
@click.argument("holders", nargs=-1, metavar="[HOLDER]...")
@click.option("--name", "display_name", default="", help="The display name.")
@write_options
def create(session: Session, *, group: str, holders: tuple[str, ...], display_name: str) -> None:
    """Create GROUP, with each HOLDER in it.

    HOLDER is a member's ID, or member:id, or group:id.
    """
    request = pb.CreateGroupRequest(
        parent=session.parent,
        group_id=group,
        display_name=display_name,
        members=map(holder_ref, holders),
        actor=session.actor,
        request_id=session.request_id,
    )
    session.show(session.call(GroupServiceStub, "CreateGroup", request), f"made group {group}")


@click.command("list", cls=Command, examples=(("All of them", "sidegate group list --tenant acme"),))
@page_options
@read_options
def list_(session: Session, *, limit: int, page_token: str) -> None:
    """List the groups of the tenant."""
    request = pb.ListGroupsRequest(parent=session.parent, page_size=limit, page_token=page_token, actor=session.actor)
    answer = session.call(GroupServiceStub, "ListGroups", request)
    more = (f"There are more: --page {answer.next_page_token}",) if answer.next_page_token else ()
    session.show(answer, *map(_line, answer.groups), *more)


@click.command(cls=Command, examples=(("Show a group", "sidegate group show --tenant acme sales"),))
@click.argument("group")
@read_options
def show(session: Session, *, group: str) -> None:
    """Show GROUP and its members."""
    request = pb.GetGroupRequest(name=session.name("groups", group), actor=session.actor)
    answer = session.call(GroupServiceStub, "GetGroup", request)
    session.show(answer, _line(answer.group), *(f"  {member}" for member in answer.group.members))


@click.command(cls=Command, examples=(("Rename it", "sidegate group rename --tenant acme sales 'Sales EMEA'"),))
@click.argument("group")
@click.argument("name")
@write_options
def rename(session: Session, *, group: str, name: str) -> None:
    """Change the display name of GROUP to NAME.

    Its ID stays the same.
    """
    request = pb.RenameGroupRequest(
        name=session.name("groups", group), display_name=name, actor=session.actor, request_id=session.request_id
    )
    session.show(session.call(GroupServiceStub, "RenameGroup", request), f"group {group} is called {name}")


@click.command(cls=Command, examples=(("Add two", "sidegate group add --tenant acme sales uma group:interns"),))
@click.argument("group")
@_HOLDERS
@write_options
def add(session: Session, *, group: str, holders: tuple[str, ...]) -> None:
    """Add each HOLDER to GROUP.

    HOLDER is a member's ID, or member:id, or group:id.
    """
    request = pb.AddGroupMembersRequest(
        name=session.name("groups", group),
        members=map(holder_ref, holders),
        actor=session.actor,
        request_id=session.request_id,
    )
    session.show(session.call(GroupServiceStub, "AddGroupMembers", request), f"{', '.join(holders)} in group {group}")


@click.command(cls=Command, examples=(("Remove one", "sidegate group remove --tenant acme sales uma"),))
@click.argument("group")
@_HOLDERS
@write_options
def remove(session: Session, *, group: str, holders: tuple[str, ...]) -> None:
    """Remove each HOLDER from GROUP."""
    request = pb.RemoveGroupMembersRequest(
        name=session.name("groups", group),
        members=map(holder_ref, holders),
        actor=session.actor,
        request_id=session.request_id,
    )
    session.show(
        session.call(GroupServiceStub, "RemoveGroupMembers", request), f"{', '.join(holders)} out of group {group}"
    )


@click.command(
    cls=Command,
    examples=(
        ("Delete it, after a question", "sidegate group delete --tenant acme sales"),
        ("In a script", "sidegate group delete --tenant acme sales --yes"),
    ),
)
@click.argument("group")
@confirmation_option
@write_options
def delete(session: Session, confirmation: Confirmation, *, group: str) -> None:
    """Delete GROUP with all roles it holds.

    A group whose folder contains documents is not deleted. Without --yes a person is asked on the terminal.
    """
    confirmation.require(f"delete group `{group}`", _losses(session, group))
    request = pb.DeleteGroupRequest(
        name=session.name("groups", group), actor=session.actor, request_id=session.request_id
    )
    session.show(session.call(GroupServiceStub, "DeleteGroup", request), f"group {group} is deleted")


def _losses(session: Session, group: str) -> Iterator[str]:
    """Yield who belongs to a group, and the roles it holds."""
    shown = pb.GetGroupRequest(name=session.name("groups", group), actor=session.actor)
    members = session.call(GroupServiceStub, "GetGroup", shown).group.members
    yield f"members: {', '.join(members) or 'none'}"
    held = pb.ListGrantsRequest(parent=session.parent, holder=f"group:{group}", actor=session.actor)
    grants = session.call(RoleServiceStub, "ListGrants", held).grants
    yield from (f"it holds {one.role} on {one.scope}" for one in grants)


def _line(group: pb.Group) -> str:
    id_ = id_of(group.name)
    return f"{id_}: {group.display_name}" if group.display_name else id_
