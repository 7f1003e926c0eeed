"""Changes of facts in lines that a reviewer reads."""

from __future__ import annotations

from google.protobuf.json_format import ParseDict

from sidegate.authz.v1 import facts_pb2 as pb
from sidegate.cli.facts.diff import counts, difference


def change(entity, key, **sides):
    made = pb.FactChange(entity=entity, key=key)
    for side, payload in sides.items():
        getattr(made, side).SetInParent()
        ParseDict(payload, getattr(made, side))
    return made


ADDED = change("member", ["uma"], after={"status": "active", "name": "Uma", "email": "", "mfa": False, "quota": None})
ALTERED = change(
    "member",
    ["ugo"],
    before={"status": "active", "quota": None, "name": "Ugo"},
    after={"status": "inactive", "quota": 10, "name": "Ugo"},
)
REMOVED = change("grant", ["viewer", "document:d1", "group:sales"], before={})


def lines(*changes, warnings=()):
    return [line.plain for line in difference([pb.TenantChanges(tenant="acme", changes=changes, warnings=warnings)])]


def test_what_is_added_shows_what_was_given():
    """Values that say nothing are left out."""
    assert lines(ADDED)[1] == '  + member uma: name "Uma", status "active"'


def test_what_is_altered_shows_before_and_after():
    """Only what differs is shown, and whole numbers as such."""
    assert lines(ALTERED)[1] == '  ~ member ugo: quota none → 10, status "active" → "inactive"'


def test_what_is_removed_is_named():
    """A grant reads as a sentence."""
    assert lines(REMOVED)[1] == "  - grant viewer on document:d1 to group:sales"


def test_a_member_of_a_group_is_shown_with_the_group():
    """Group members have no payload, and their key is the message."""
    assert lines(change("group_member", ["sales", "member:uma"], after={}))[1] == "  + group sales: member:uma"


def test_a_tenant_is_named_first_and_counted_last():
    """The order is name, changes, warnings, counts."""
    printed = lines(ADDED, ALTERED, REMOVED, warnings=["nobody holds `owner`"])
    assert printed[0] == "acme"
    assert printed[-2:] == ["  warning: nobody holds `owner`", "  1 added, 1 altered, 1 removed"]


def test_a_tenant_that_stays_says_so():
    """A second apply shows that nothing changes."""
    assert lines() == ["acme", "  nothing changes"]
    assert counts([]) == "nothing changes"


def test_text_from_the_store_cannot_steer_the_terminal():
    """Control characters in a stored value are shown, not sent."""
    shown = lines(change("member", ["uma"], after={"name": "\x1b[31m[red]"}))[1]
    assert shown == '  + member uma: name "\\u001b[31m[red]"'
