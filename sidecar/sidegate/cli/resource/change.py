"""Registers, updates, deletes and hands over resources."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from sidegate.authz.v1 import resource_pb2 as pb
from sidegate.authz.v1.resource_pb2_grpc import ResourceServiceStub
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.confirmation import Confirmation, confirmation_option
from sidegate.cli.shell.console import plain
from sidegate.cli.shell.inputs import assignments
from sidegate.cli.shell.session import Session, read_options, write_options
from sidegate.server.wire.properties import write_properties


@click.command(
    cls=Command,
    examples=(
        ("A template", "sidegate resource register --tenant acme template:nda --actor member:tina"),
        ("A document from it", "sidegate resource register --tenant acme document:d1 --in template:nda --owner uma"),
    ),
)
@click.argument("resource")
@click.option("--in", "parents", multiple=True, metavar="PARENT", help="A parent, at most one of each type.")
@click.option("--owner", default="", help="The member that owns it.  [default: the actor]")
@click.option("--property", "properties", multiple=True, metavar="NAME=VALUE", help="A property that is stored.")
@write_options
def register(
    session: Session, *, resource: str, parents: tuple[str, ...], owner: str, properties: tuple[str, ...]
) -> None:
    """Register RESOURCE, with its owner.

    RESOURCE is type:id.
    """
    stored = assignments(properties, example="status=draft")
    made = pb.RegisteredResource(
        name=session.name("resources", resource), parents=parents, properties=write_properties(stored)
    )
    request = pb.RegisterResourceRequest(resource=made, owner=owner, actor=session.actor, request_id=session.request_id)
    answer = session.call(ResourceServiceStub, "RegisterResource", request)
    session.show(answer, f"registered {resource}{_owned(answer)}")


@click.command(cls=Command, examples=(("Show a document", "sidegate resource show --tenant acme document:d1"),))
@click.argument("resource")
@read_options
def show(session: Session, *, resource: str) -> None:
    """Show RESOURCE."""
    request = pb.GetResourceRequest(name=session.name("resources", resource), actor=session.actor)
    answer = session.call(ResourceServiceStub, "GetResource", request)
    lines = (f"  {line}" for line in _description(answer.resource))
    session.show(answer, f"{resource}{_owned(answer)}", *lines)


@click.command(
    cls=Command, examples=(("A copy of a template", "sidegate resource clone --tenant acme template:nda nda2"),)
)
@click.argument("resource")
@click.argument("clone")
@click.option("--owner", default="", help="The member that owns the clone.  [default: the actor]")
@write_options
def clone(session: Session, *, resource: str, clone: str, owner: str) -> None:
    """Copy RESOURCE under the ID CLONE.

    The copy is owned by the actor, or by --owner.
    """
    request = pb.CloneResourceRequest(
        name=session.name("resources", resource),
        clone_id=clone,
        owner=owner,
        actor=session.actor,
        request_id=session.request_id,
    )
    answer = session.call(ResourceServiceStub, "CloneResource", request)
    session.show(answer, f"cloned {resource} as {clone}{_owned(answer)}")


@click.command(
    cls=Command,
    examples=(
        ("Set a property", "sidegate resource update --tenant acme document:d1 --property status=signed"),
        ("Move it to another template", "sidegate resource update --tenant acme document:d1 --in template:offer"),
    ),
)
@click.argument("resource")
@click.option("--property", "properties", multiple=True, metavar="NAME=VALUE", help="A property that is stored.")
@click.option("--in", "parents", multiple=True, metavar="PARENT", help="A parent; those given replace all.")
@click.option("--etag", default="", help="Update only if the resource has not changed since this was read.")
@write_options
def update(
    session: Session, *, resource: str, properties: tuple[str, ...], parents: tuple[str, ...], etag: str
) -> None:
    """Set properties and parents of RESOURCE.

    A value is read as JSON where it is JSON, and as text otherwise. An empty value removes the property, an empty
    PARENT all parents.
    """
    given = assignments(properties, example="status=draft")
    placed = ["parents"] if parents else []
    if not (given or placed):
        raise click.UsageError("nothing to set: expected --property or --in")
    wanted = pb.RegisteredResource(
        name=session.name("resources", resource),
        parents=filter(None, parents),
        properties=write_properties({name: value for name, value in given.items() if value != ""}),
        etag=etag,
    )
    request = pb.UpdateResourceRequest(resource=wanted, actor=session.actor, request_id=session.request_id)
    request.update_mask.paths.extend([*placed, *(f"properties.{name}" for name in given)])
    session.show(session.call(ResourceServiceStub, "UpdateResource", request), f"{resource} is updated")


@click.command(
    cls=Command,
    examples=(
        ("Delete it, after a question", "sidegate resource delete --tenant acme document:d1"),
        ("In a script", "sidegate resource delete --tenant acme document:d1 --yes"),
    ),
)
@click.argument("resource")
@confirmation_option
@write_options
def delete(session: Session, confirmation: Confirmation, *, resource: str) -> None:
    """Delete RESOURCE with all grants on it.

    A resource that is the parent of others is not deleted. Without --yes a person is asked on the terminal.
    """
    confirmation.require(f"delete `{resource}`", _losses(session, resource))
    request = pb.DeleteResourceRequest(
        name=session.name("resources", resource), actor=session.actor, request_id=session.request_id
    )
    session.show(session.call(ResourceServiceStub, "DeleteResource", request), f"{resource} is deleted")


@click.command(
    "hand-over",
    cls=Command,
    examples=(
        ("All of it", "sidegate resource hand-over --tenant acme uma ugo"),
        (
            "One document that uma owns",
            "sidegate resource hand-over --tenant acme uma ugo --role owner --only document:d1",
        ),
    ),
)
@click.argument("giver", metavar="FROM")
@click.argument("receiver", metavar="TO")
@click.option("--role", "roles", multiple=True, help="Only this role on them, such as owner.")
@click.option("--only", "resources", multiple=True, metavar="RESOURCE", help="Only this resource.")
@write_options
def hand_over(
    session: Session, *, giver: str, receiver: str, roles: tuple[str, ...], resources: tuple[str, ...]
) -> None:
    """Hand over the resources of member FROM to member TO.

    TO takes over all roles of FROM on them, such as owner or viewer, in one write. A resource that is the parent
    of others, such as a template, is handed over only with --only.
    """
    fields: dict[str, Any] = {"from": giver}
    request = pb.HandOverRequest(
        parent=session.parent,
        to=receiver,
        roles=roles,
        resources=resources,
        actor=session.actor,
        request_id=session.request_id,
        **fields,
    )
    answer = session.call(ResourceServiceStub, "HandOver", request)
    session.show(answer, f"{receiver} took over {answer.resources} resources from {giver}")


def _owned(answer: Any) -> str:
    owner = answer.resource.owner
    return f", owned by {owner}" if owner else ""


def _losses(session: Session, resource: str) -> Iterator[str]:
    """Yield the parents and properties of a resource, and who holds a role on it, such as its owner."""
    name = session.name("resources", resource)
    shown = session.call(ResourceServiceStub, "GetResource", pb.GetResourceRequest(name=name, actor=session.actor))
    yield from _description(shown.resource)
    listed = pb.ListRelationsRequest(name=name, actor=session.actor)
    for relation in session.call(ResourceServiceStub, "ListRelations", listed).relations:
        if relation.scope == resource and not relation.through:
            yield f"{relation.holder} holds {relation.role} on it"


def _description(resource: pb.RegisteredResource) -> Iterator[str]:
    if resource.parents:
        yield f"in      {', '.join(resource.parents)}"
    yield from (f"{name:<7} {json.dumps(value)}" for name, value in plain(resource.properties).items())
