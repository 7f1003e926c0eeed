"""`sidegate member`: the people of a tenant."""

from __future__ import annotations

import click

from sidegate.cli.shell.commands import LazyGroup

COMMANDS = {
    "invite": ("Invite people by e-mail, mobile number or account ID.", "sidegate.cli.member.invite:invite"),
    "sheet": ("Write an empty spreadsheet of people to invite to FILE.", "sidegate.cli.member.sheet:sheet"),
    "accept": ("Accept an invitation by its TOKEN.", "sidegate.cli.member.invite:accept"),
    "resend": ("Make a new invitation for the pending MEMBER.", "sidegate.cli.member.invite:resend"),
    "cancel": ("Withdraw the invitation of the pending MEMBER.", "sidegate.cli.member.invite:cancel"),
    "list": ("List the members of the tenant.", "sidegate.cli.member.list:list_"),
    "show": ("Show MEMBER.", "sidegate.cli.member.list:show"),
    "update": ("Set fields of MEMBER.", "sidegate.cli.member.change:update"),
    "seen": ("Note that MEMBER was seen now.", "sidegate.cli.member.change:seen"),
    "deactivate": ("Pause MEMBER, who keeps its roles.", "sidegate.cli.member.change:deactivate"),
    "activate": ("Let the inactive MEMBER in again.", "sidegate.cli.member.change:activate"),
    "delete": ("Delete MEMBER with all it holds.", "sidegate.cli.member.change:delete"),
}
EXAMPLES = (
    ("Invite two people", "sidegate member invite --tenant acme 'uma@acme.example; ugo@acme.example'"),
    ("See who is pending", "sidegate member list --tenant acme --status pending"),
    ("Pause somebody", "sidegate member deactivate --tenant acme uma"),
)


@click.group(cls=LazyGroup, loads=COMMANDS, examples=EXAMPLES)
def member() -> None:
    """Invite members, and see them through to their leaving."""
