"""Invitations from .xlsx files, over gRPC and from the command line."""

import os

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from sidegate.authz.v1 import membership_pb2 as pb
from sidegate.membership.invitation_rows import MAX_INVITEES
from sidegate.spreadsheets.limits import DEFAULT_BOUNDS
from support.servers.cli import invoke
from support.servers.companies import refused
from support.workbooks import LINKS, WORKBOOK, links, listing, packed, parts, row, xlsx

HEAD = row(1, "name", "email", "roles", "phone", "groups")
PEOPLE = xlsx(
    HEAD,
    row(2, "Uma", "uma@acme.example", "company_admin", "", "sales"),
    row(4, "Ugo, Jr.", "", "", "+62 812-3456-789"),
    row(5, "Pia", "PIA@acme.example", "member; company_admin"),
)
NUMBER = '<c r="D4"><v>628123456789</v></c>'
WRONG = xlsx(
    HEAD,
    row(2, "Good", "good@acme.example"),
    row(3, "Bad", "bad@"),
    row(4, "Number", "", "", more=NUMBER),
    row(7, "Boss", "boss@acme.example", "boss"),
    row(8, "Again", "GOOD@acme.example"),
    row(9, "Unseen", "unseen@acme.example", attributes='hidden="1"'),
)


async def test_a_spreadsheet_is_invited(found):
    """EF-12: an Excel file invites each row with its own roles and groups, and reports it by the row's own number."""
    company = await found("eformsign")
    await company.make_group("sales")
    answer = await company.invite(spreadsheet=PEOPLE, roles=["member"])

    assert [
        (
            one.place,
            one.member.display_name,
            [*one.member.roles],
            one.member.phone or one.member.email,
            [*one.member.groups],
        )
        for one in answer.results
    ] == [
        ("spreadsheet:2", "Uma", ["company_admin"], "uma@acme.example", ["sales"]),
        ("spreadsheet:4", "Ugo, Jr.", ["member"], "+628123456789", []),
        ("spreadsheet:5", "Pia", ["company_admin", "member"], "PIA@acme.example", []),
    ]
    accepted = await company.accept(answer.results[1].member.invitation.token, signed_in_account="+628123456789")
    assert accepted.display_name == "Ugo, Jr."


async def test_bad_rows_of_a_spreadsheet_are_reported_and_nothing_is_half_done(found):
    """EF-12, EL-10: all or nothing: each bad row is reported by its number, and no good one is invited."""
    company = await found("eformsign")
    refusal = await refused(company.invite(spreadsheet=WRONG), "INVALID_INPUT")

    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [*refusal.violations] == [
        "spreadsheet:3.email",
        "spreadsheet:4.phone",
        "spreadsheet:7.roles",
        "spreadsheet:8",
        "spreadsheet:9",
    ]
    assert "cell `D4` holds a number" in refusal.violations["spreadsheet:4.phone"]
    assert await company.list() == ["ann"]


async def test_a_result_per_row_of_a_spreadsheet(found):
    """EF-12, EL-10: in part: the good row is invited, and each other one has its own error."""
    company = await found("eformsign")
    answer = await company.invite(spreadsheet=WRONG, partial=True)

    errors = {
        one.place: MessageToDict(one)["error"]["details"][0]["reason"]
        for one in answer.results
        if one.HasField("error")
    }
    assert errors == {
        "spreadsheet:3": "INVALID_INPUT",
        "spreadsheet:4": "INVALID_INPUT",
        "spreadsheet:7": "INVALID_INPUT",
        "spreadsheet:8": "ALREADY_EXISTS",
        "spreadsheet:9": "INVALID_INPUT",
    }
    assert await company.list() == ["ann", "good@acme.example"]


async def test_a_sheet_by_its_name(found):
    """EF-12: of several sheets the named one is invited; none, a wrong one, or one of nothing is refused."""
    company = await found("eformsign")
    two = packed(
        parts(HEAD, row(2, "Uma", "uma@acme.example"))
        | {
            WORKBOOK: listing('name="New"', 'name="Old"'),
            LINKS: links(("rId1", "worksheet", "worksheets/sheet1.xml"), ("rId2", "worksheet", "none.xml")),
        }
    )
    for name, message in (("", "expected one, or the name of `New`, `Old`"), ("new", "there is no sheet `new`")):
        refusal = await refused(company.invite(spreadsheet=two, sheet=name), "INVALID_INPUT")
        assert message in refusal.violations["sheet"]
    assert "sheet" in (await refused(company.invite("uma", sheet="New"), "INVALID_INPUT")).violations
    await company.invite(spreadsheet=two, sheet="New")
    assert await company.list() == ["ann", "uma@acme.example"]


async def test_too_much_is_refused_and_the_sidecar_goes_on(found):
    """EF-12: a hundred thousand rows, a bomb, a file too large: the error names the bound, and nobody is invited."""
    company = await found("eformsign")
    rows = (row(number, "", f"m{number}@acme.example") for number in range(2, 100_002))
    too_large = packed({"x": os.urandom(DEFAULT_BOUNDS.packed)})
    bomb = packed(parts(HEAD) | {"xl/media/image1.png": bytes(DEFAULT_BOUNDS.unpacked)})
    for raw, bound in ((xlsx(HEAD, *rows), "more than 10000 rows"), (too_large, "up to 8.0 MiB"), (bomb, "200 times")):
        refusal = await refused(company.invite(spreadsheet=raw), "INVALID_INPUT")
        assert bound in refusal.violations["spreadsheet"]
    assert await company.list() == ["ann"]


@pytest.mark.parametrize("form", ["csv", "addresses", "spreadsheet"])
async def test_more_rows_than_one_request_takes(found, form):
    """EF-12: one row more than a request takes is refused, in each form, and in all together."""
    company = await found("eformsign")
    ids = [f"m{number}" for number in range(MAX_INVITEES)]
    rows = {
        "csv": {"csv": "\n".join(["account", *ids])},
        "addresses": {"addresses": ";".join(ids)},
        "spreadsheet": {"spreadsheet": xlsx(row(1, "account"), *(row(n, id_) for n, id_ in enumerate(ids, start=2)))},
    }
    order = pb.InviteMembersRequest(parent=company.parent, invitees=[pb.Invitee(account="uma")], **rows[form])
    refusal = await refused(company.members.InviteMembers(order), "INVALID_INPUT")
    assert refusal.violations == {"invitees": "has more than 10000 rows: expected 1 to 10000"}


async def test_a_repeated_spreadsheet_is_invited_once(found):
    """EF-12: a retry with its request_id is answered alike, and another file under that ID is refused."""
    company = await found("eformsign")
    people = xlsx(HEAD, row(2, "Uma", "uma@acme.example"))
    first = await company.invite(spreadsheet=people, request_id="r1")
    assert await company.invite(spreadsheet=people, request_id="r1") == first
    await refused(company.invite(spreadsheet=WRONG, request_id="r1"), "INVALID_INPUT")


def test_from_the_command_line(sidecar_address, tmp_path):
    """EF-12: the content of a file decides its format, not its name, and one too large for a call is refused."""
    at = ("--address", sidecar_address, "--tenant", tmp_path.name)
    assert invoke("tenant", "create", "ann", *at).code == 0
    (tmp_path / "people.csv").write_bytes(xlsx(row(1, "account"), row(2, "uma")))
    (tmp_path / "people.xlsx").write_text("account\nugo\n")
    (tmp_path / "large.xlsx").write_bytes(b"PK\3\4" + bytes(17 * 1024 * 1024))

    printed = [invoke("member", "invite", *at, "--file", tmp_path / f"people.{form}") for form in ("csv", "xlsx")]
    assert [done.out.partition(" is invited")[0] for done in printed] == ["uma", "ugo"]
    large = invoke("member", "invite", *at, "--file", tmp_path / "large.xlsx")
    assert (large.code, "is larger than" in large.err) == (3, True), large


def test_the_sheet_to_fill_in_stays_when_it_is_there(tmp_path):
    """EF-12: the command writes a sheet that can be invited from, and never over a file."""
    path = tmp_path / "people.xlsx"
    assert invoke("member", "sheet", path).code == 0
    written = path.read_bytes()
    again = invoke("member", "sheet", path)
    assert (again.code, "file exists" in again.err) == (2, True)
    assert path.read_bytes() == written
