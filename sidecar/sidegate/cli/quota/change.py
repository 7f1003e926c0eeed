"""Quota, set, shared out, taken and given back."""

from __future__ import annotations

import click

from sidegate.authz.v1 import resource_pb2 as pb
from sidegate.authz.v1.resource_pb2_grpc import QuotaServiceStub
from sidegate.cli.shell.commands import Command
from sidegate.cli.shell.session import Acting, acting

_AMOUNT = click.option("--amount", type=click.IntRange(1), default=1, show_default=True, help="How much.")


@click.command("set", cls=Command, examples=(("Ten for one member", "sidegate quota set --tenant acme uma 10"),))
@click.argument("member")
@click.argument("quota", type=click.IntRange(0))
@acting
def set_(by: Acting, *, member: str, quota: int) -> None:
    """Set what MEMBER has left to QUOTA."""
    request = pb.SetQuotaRequest(name=by.name("members", member), quota=quota, actor=by.actor, request_id=by.request_id)
    answer = by.call(QuotaServiceStub, "SetQuota", request)
    by.tell(answer, f"{member} has {answer.quota} left")


@click.command(cls=Command, examples=(("Share a hundred", "sidegate quota allocate --tenant acme 100"),))
@click.argument("total", type=click.IntRange(0))
@acting
def allocate(by: Acting, *, total: int) -> None:
    """Share TOTAL evenly among all active members.

    What is left over goes one each to the first by ID.
    """
    request = pb.AllocateQuotaRequest(parent=by.parent, total=total, actor=by.actor, request_id=by.request_id)
    answer = by.call(QuotaServiceStub, "AllocateQuota", request)
    more = f", {answer.remainder} of them one more" if answer.remainder else ""
    by.tell(answer, f"{answer.members} members have {answer.share} each{more}")


@click.command(cls=Command, examples=(("Take one", "sidegate quota consume --tenant acme uma"),))
@click.argument("member")
@_AMOUNT
@acting
def consume(by: Acting, *, member: str, amount: int) -> None:
    """Take from what MEMBER has left.

    Never below zero.
    """
    request = pb.ConsumeQuotaRequest(
        name=by.name("members", member), amount=amount, actor=by.actor, request_id=by.request_id
    )
    answer = by.call(QuotaServiceStub, "ConsumeQuota", request)
    by.tell(answer, f"{member} has {answer.quota} left")


@click.command(cls=Command, examples=(("Give one back", "sidegate quota release --tenant acme uma"),))
@click.argument("member")
@_AMOUNT
@acting
def release(by: Acting, *, member: str, amount: int) -> None:
    """Give back to MEMBER what was taken."""
    request = pb.ReleaseQuotaRequest(
        name=by.name("members", member), amount=amount, actor=by.actor, request_id=by.request_id
    )
    answer = by.call(QuotaServiceStub, "ReleaseQuota", request)
    by.tell(answer, f"{member} has {answer.quota} left")
