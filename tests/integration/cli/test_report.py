"""`sidegate report` against a real server with a real database."""

from __future__ import annotations

import csv
import io

import pytest

from support.servers.cli import sidecar, sidegate

DOCUMENT = """\
tenants:
  acme:
    pack: standard
    members:
      ann: {name: "=1+1", email: ann@acme.example, roles: [owner]}
      bob: {name: "Bob, \\"B\\"", phone: "+628123456789", roles: [member], quota: 3}
      leo: {roles: [member], quota: 1}
    groups:
      sales: {members: [bob]}
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Run a report on a tenant whose quotas changed; return its rows as a spreadsheet reads them."""
    directory = tmp_path_factory.mktemp("report")
    with sidecar(directory, "--drain", "0") as running:
        changed = DOCUMENT.replace("quota: 3", "quota: 5").replace("[bob]", "[bob, leo]")
        for text in (DOCUMENT, changed):
            (directory / "facts.yaml").write_text(text)
            done = sidegate("facts", "apply", directory / "facts.yaml", "--actor", "@ops", "--address", running.address)
            assert done.code == 0, done.err

        def run(*words):
            path = directory / "report.csv"
            done = sidegate("report", *words, "--tenant", "acme", "--output", path, "--address", running.address)
            assert (done.code, done.out) == (0, ""), done.err
            return [*csv.DictReader(io.StringIO(path.read_text(), newline=""))]

        run.address = running.address
        yield run


def test_the_audit_trail_has_every_change(report):
    """One row for each change, oldest first, whose actor is no formula."""
    rows = report("audit")
    assert {row["actor"] for row in rows} == {"'@ops"}
    assert (rows[0]["kind"], rows[0]["change"]) == ("tenant", "made")
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    altered = [row for row in rows if row["change"] == "altered"]
    assert [(row["kind"], row["of"]) for row in altered] == [("member", "bob")]
    assert '"quota": 3' in altered[0]["before"]
    assert '"quota": 5' in altered[0]["after"]


def test_the_audit_trail_is_of_its_times(report):
    """A report from the last revision on has that revision's changes alone."""
    rows = report("audit")
    last = rows[-1]["time"]
    assert report("audit", "--from", last) == [row for row in rows if row["time"] == last]
    assert report("audit", "--to", last) == [row for row in rows if row["time"] != last]


def test_the_members_are_listed_safely(report):
    """Names and phone numbers that look like formulas are text, and a comma stays in its cell."""
    ann, bob, leo = report("members")
    assert (ann["member"], ann["name"], ann["e-mail"]) == ("ann", "'=1+1", "ann@acme.example")
    assert (bob["name"], bob["phone"], bob["quota"]) == ('Bob, "B"', "'+628123456789", "5")
    assert (leo["roles"], leo["groups"], leo["status"]) == ("member", "sales", "active")


def test_the_use_of_quota_is_written_by_step(report):
    """MS-13: members and groups with what they were assigned by day; entry by entry, with who did it."""
    rows = report("quota")
    assert [(row["kind"], row["of"], row["consumed"], row["assigned"]) for row in rows] == [
        ("group", "sales", "0", "5"),
        ("member", "bob", "0", "5"),
        ("member", "leo", "0", "1"),
    ]
    assert {row["time"][10:] for row in rows} == {"T00:00:00Z"}
    entries = report("quota", "--step", "entry", "--member", "bob")
    assert [(row["assigned"], row["left"], row["actor"]) for row in entries] == [
        ("3", "3", "'@ops"),
        ("2", "5", "'@ops"),
    ]
    assert report("quota", "--step", "month", "--group", "sales", "--to", "2020-01-01") == []


def test_a_report_is_written_for_whom_the_pack_lets(report):
    """MS-13: the owner exports, and a member learns by a sentence and the exit code that it may not."""
    for words in (("audit",), ("members",), ("quota",)):
        assert report(*words, "--actor", "member:ann") == report(*words)
        refused = sidegate(
            "report", *words, "--tenant", "acme", "--output", "-", "--actor", "member:bob", "--address", report.address
        )
        assert refused.code == 1
        assert "NOT_PERMITTED" in refused.err


def test_an_unknown_tenant_leaves_no_file(report, tmp_path):
    """Exit code 2 with a sentence, and nothing is written."""
    path = tmp_path / "none.csv"
    done = sidegate("report", "audit", "--tenant", "nobody", "--output", path, "--address", report.address)
    assert done.code == 2
    assert "there never was a tenant `nobody`" in done.err
    assert not path.exists()
