"""`sidegate member`: the members of a tenant."""

from __future__ import annotations

from sidegate.cli.shell.commands import lazy_group

COMMANDS = {
    "invite": "sidegate.cli.member.invite:invite",
    "sheet": "sidegate.cli.member.sheet:sheet",
    "accept": "sidegate.cli.member.invite:accept",
    "resend": "sidegate.cli.member.invite:resend",
    "cancel": "sidegate.cli.member.invite:cancel",
    "list": "sidegate.cli.member.list:list_",
    "show": "sidegate.cli.member.list:show",
    "update": "sidegate.cli.member.change:update",
    "seen": "sidegate.cli.member.change:seen",
    "deactivate": "sidegate.cli.member.change:deactivate",
    "activate": "sidegate.cli.member.change:activate",
    "delete": "sidegate.cli.member.change:delete",
}
EXAMPLES = (
    ("Invite two people", "sidegate member invite --tenant acme 'uma@acme.example; ugo@acme.example'"),
    ("See who is pending", "sidegate member list --tenant acme --status pending"),
    ("Deny somebody everything", "sidegate member deactivate --tenant acme uma"),
)


@lazy_group(COMMANDS, examples=EXAMPLES)
def member() -> None:
    """Invite, update, deactivate and delete members."""
