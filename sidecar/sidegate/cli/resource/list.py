"""Lists and counts resources, and lists who holds which role on one."""

from __future__ import annotations

import click

from sidegate.authz.v1 import resource_pb2 as pb
from sidegate.authz.v1.resource_pb2_grpc import ResourceServiceStub
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.console import console, plain, print_table
from sidegate.cli.shell.names import holder_ref, id_of
from sidegate.cli.shell.output import echo
from sidegate.cli.shell.session import Session, page_options, read_options

_HEADERS = ("resource", "in", "owner", "properties")
_RELATION_HEADERS = ("role", "holder", "on", "through")


@click.command(
    "list",
    cls=Command,
    examples=(
        ("All of them", "sidegate resource list --tenant acme"),
        ("What uma owns in a template", "sidegate resource list --tenant acme --in template:nda --owner uma"),
    ),
)
@click.option("--type", "type_", default="", help="Resources of this type, such as document.")
@click.option("--in", "inside", default="", metavar="PARENT", help="Resources whose parent this is.")
@click.option("--owner", default="", metavar="HOLDER", help="Resources of this member, or group:ID.")
@page_options
@read_options
def list_(session: Session, *, type_: str, owner: str, limit: int, **given: str) -> None:
    """List the registered resources of the tenant.

    A resource must match every filter that is given.
    """
    request = pb.ListRegisteredResourcesRequest(
        parent=session.parent,
        type=type_,
        owner=holder_ref(owner) if owner else "",
        page_size=limit,
        actor=session.actor,
        **given,
    )
    answer = session.call(ResourceServiceStub, "ListRegisteredResources", request)
    if session.as_json:
        session.show(answer)
        return
    print_table(console(), _HEADERS, [_row(resource) for resource in answer.resources])
    if answer.next_page_token:
        click.echo(f"\nThere are more: --page {answer.next_page_token}")


@click.command(
    "count",
    cls=Command,
    examples=(
        ("How many are in a workspace", "sidegate resource count --tenant acme workspace:uma"),
        ("How many are in the folder of a team", "sidegate resource count --tenant acme group:sales"),
    ),
)
@click.argument("resource")
@read_options
def count(session: Session, *, resource: str) -> None:
    """Count the resources in RESOURCE, without naming them.

    Also shows when the member or group it belongs to last changed anything.
    """
    request = pb.CountResourcesRequest(name=session.name("resources", resource), actor=session.actor)
    answer = session.call(ResourceServiceStub, "CountResources", request)
    lines = [f"  {one.type:<12}{one.count}" for one in answer.counts]
    if answer.HasField("last_change_time"):
        lines.append(f"  last change {answer.last_change_time.ToDatetime():%Y-%m-%d %H:%M}")
    session.show(answer, resource, *lines)


@click.command(
    cls=Command,
    examples=(("Who holds a role on a document", "sidegate resource relations --tenant acme document:d1"),),
)
@click.argument("resource")
@page_options
@read_options
def relations(session: Session, *, resource: str, limit: int, page_token: str) -> None:
    """List who holds which role on RESOURCE.

    Roles on its ancestors and roles through groups are marked. Roles on the tenant are listed by `grant list`.
    """
    request = pb.ListRelationsRequest(
        name=session.name("resources", resource), page_size=limit, page_token=page_token, actor=session.actor
    )
    answer = session.call(ResourceServiceStub, "ListRelations", request)
    if session.as_json:
        session.show(answer)
        return
    print_table(console(), _RELATION_HEADERS, [_relation(relation) for relation in answer.relations])
    if answer.hidden:
        echo(f"\nHidden from {session.actor}: {', '.join(answer.hidden)}")
    if answer.next_page_token:
        click.echo(f"\nThere are more: --page {answer.next_page_token}")


def _relation(relation: pb.Relation) -> tuple[str, ...]:
    held = f"{relation.scope}, inherited" if relation.inherited else relation.scope
    return relation.role, relation.holder, held, " > ".join(relation.through)


def _row(resource: pb.RegisteredResource) -> tuple[str, ...]:
    properties = (f"{name}={value}" for name, value in plain(resource.properties).items())
    return id_of(resource.name), ", ".join(resource.parents), resource.owner, ", ".join(properties)
