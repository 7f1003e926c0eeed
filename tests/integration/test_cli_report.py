"""`sidegate report` against a real server with a real database."""

from __future__ import annotations

import csv
import io

import pytest

from support.cli import sidecar, sidegate

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


def test_quotas_are_told_over_time(report):
    """Each member's quota and each group's sum, with what it was before."""
    rows = [(row["kind"], row["of"], row["before"], row["after"]) for row in report("quota")]
    assert rows[:3] == [("member", "bob", "", "3"), ("member", "leo", "", "1"), ("group", "sales", "0", "3")]
    assert sorted(rows[3:]) == [
        ("group", "sales", "3", "5"),
        ("group", "sales", "5", "6"),
        ("member", "bob", "3", "5"),
    ]


def test_a_quota_report_knows_what_was_before_its_time(report):
    """From a time on, the first row still tells the quota of before."""
    last = report("audit")[-1]["time"]
    rows = report("quota", "--from", last)
    assert ("bob", "3", "5") in [(row["of"], row["before"], row["after"]) for row in rows]
    assert len(rows) == 3


def test_an_unknown_tenant_leaves_no_file(report, tmp_path):
    """Exit code 2 with a sentence, and nothing is written."""
    path = tmp_path / "none.csv"
    done = sidegate("report", "audit", "--tenant", "nobody", "--output", path, "--address", report.address)
    assert done.code == 2
    assert "there never was a tenant `nobody`" in done.err
    assert not path.exists()
