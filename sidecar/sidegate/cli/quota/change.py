"""Sets, divides, consumes and releases quota."""

from __future__ import annotations

import click

from sidegate.authz.v1 import resource_pb2 as pb
from sidegate.authz.v1.resource_pb2_grpc import QuotaServiceStub
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.session import Session, write_options

_AMOUNT = click.option("--amount", type=click.IntRange(1), default=1, show_default=True, help="How much.")


@click.command("set", cls=Command, examples=(("Ten for one member", "sidegate quota set --tenant acme uma 10"),))
@click.argument("member")
@click.argument("quota", type=click.IntRange(0))
@write_options
def set_(session: Session, *, member: str, quota: int) -> None:
    """Set the remaining quota of MEMBER to QUOTA."""
    request = pb.SetQuotaRequest(
        name=session.name("members", member), quota=quota, actor=session.actor, request_id=session.request_id
    )
    answer = session.call(QuotaServiceStub, "SetQuota", request)
    session.show(answer, f"{member} has {answer.quota} left")


@click.command(cls=Command, examples=(("Divide a hundred", "sidegate quota allocate --tenant acme 100"),))
@click.argument("total", type=click.IntRange(0))
@write_options
def allocate(session: Session, *, total: int) -> None:
    """Divide TOTAL evenly among all active members.

    The remainder goes to the first members by ID, one each.
    """
    request = pb.AllocateQuotaRequest(
        parent=session.parent, total=total, actor=session.actor, request_id=session.request_id
    )
    answer = session.call(QuotaServiceStub, "AllocateQuota", request)
    more = f", {answer.remainder} of them one more" if answer.remainder else ""
    session.show(answer, f"{answer.members} members have {answer.share} each{more}")


@click.command(cls=Command, examples=(("Consume one", "sidegate quota consume --tenant acme uma"),))
@click.argument("member")
@_AMOUNT
@write_options
def consume(session: Session, *, member: str, amount: int) -> None:
    """Consume quota of MEMBER.

    It never falls below zero.
    """
    request = pb.ConsumeQuotaRequest(
        name=session.name("members", member), amount=amount, actor=session.actor, request_id=session.request_id
    )
    answer = session.call(QuotaServiceStub, "ConsumeQuota", request)
    session.show(answer, f"{member} has {answer.quota} left")


@click.command(cls=Command, examples=(("Give one back", "sidegate quota release --tenant acme uma"),))
@click.argument("member")
@_AMOUNT
@write_options
def release(session: Session, *, member: str, amount: int) -> None:
    """Give consumed quota back to MEMBER."""
    request = pb.ReleaseQuotaRequest(
        name=session.name("members", member), amount=amount, actor=session.actor, request_id=session.request_id
    )
    answer = session.call(QuotaServiceStub, "ReleaseQuota", request)
    session.show(answer, f"{member} has {answer.quota} left")
