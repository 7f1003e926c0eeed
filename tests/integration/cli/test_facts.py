"""`sidegate facts` against a real server with a real database."""

from __future__ import annotations

import json

import pytest

from support.servers.cli import sidegate

DOCUMENT = """\
tenants:
  acme:
    pack: standard
    settings: {require_mfa: true}
    members:
      ann: {name: Ann, roles: [owner], mfa: true}
      bob: {roles: [member], quota: 3}
    groups:
      sales: {members: [bob]}
    resources:
      document:d1: {owner: ann}
    grants:
      - {role: viewer, on: document:d1, to: group:sales}
"""
FAULTY = """\
tenants:
  acme:
    pack: standard
    members:
      ann: {roles: [owner]}
      bob: {roles: [owner, boss]}
    grants:
      - {role: viewer, on: document:nowhere, to: member:bob}
"""


@pytest.fixture
def facts(server, tmp_path):
    """Run a facts command on a document, each test in a tenant of its own."""
    tenant = tmp_path.name

    def run(command, document=None, *flags):
        if document is None:
            return sidegate("facts", command, *flags, "--address", server.address)
        path = tmp_path / "facts.yaml"
        path.write_text(document.replace("acme", tenant), encoding="utf-8")
        return sidegate("facts", command, path, *flags, "--address", server.address)

    run.tenant = tenant
    return run


def test_plan_shows_all_and_writes_nothing(facts):
    """A plan of a new tenant lists what would be made, and the tenant stays unknown."""
    done = facts("plan", DOCUMENT)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == facts.tenant
    assert '  + tenant: pack "standard", settings {"require_mfa": true}' in lines
    assert '  + member ann: mfa true, name "Ann", status "active"' in lines
    assert "  + group sales: member:bob" in lines
    assert "  + grant viewer on document:d1 to group:sales" in lines
    assert lines[-1] == "Nothing was written; `facts apply` writes it."
    assert facts.tenant not in facts("export").out


def test_apply_writes_and_a_second_apply_changes_nothing(facts):
    """Apply is idempotent, and says so."""
    first, second = facts("apply", DOCUMENT), facts("apply", DOCUMENT)
    assert (first.code, first.out.splitlines()[-1]) == (0, "Written.")
    assert (second.code, second.out) == (0, f"{facts.tenant}\n  nothing changes\n")


def test_apply_shows_what_alters_and_what_goes(facts):
    """Each difference to what is stored is a line."""
    facts("apply", DOCUMENT)
    changed = DOCUMENT.replace("quota: 3", "quota: 5").replace(
        "    grants:\n      - {role: viewer, on: document:d1, to: group:sales}\n", ""
    )
    done = facts("apply", changed)
    assert "  ~ member bob: quota 3 → 5" in done.out
    assert "  - grant viewer on document:d1 to group:sales" in done.out
    assert "  1 altered, 1 removed" in done.out


def test_what_was_applied_decides_at_once(facts, server):
    """After apply returns, a check answers from the new facts."""
    facts("apply", DOCUMENT)
    done = sidegate("check", "--address", server.address, "--tenant", facts.tenant, "ann", "view", "document:d1")
    assert done.out.startswith("ALLOW")


def test_a_deny_says_what_would_help(facts, server):
    """An obligation of the answer is shown; here a second factor, which the tenant requires and bob lacks."""
    facts("apply", DOCUMENT)
    done = sidegate("check", "--address", server.address, "--tenant", facts.tenant, "bob", "edit", "document:d1")
    assert done.out.startswith("DENY")
    assert "(mfa_required)" in done.out
    assert "\n  obligations step_up_mfa\n" in done.out


def test_warnings_do_not_stop_it(facts):
    """A tenant without its owner is written, with a word about it."""
    done = facts("apply", DOCUMENT.replace("roles: [owner], ", ""))
    assert done.code == 0
    assert "  warning: " in done.out


def test_every_fault_is_reported_with_file_line_and_key(facts, tmp_path):
    """Nothing is written, and one run names every location."""
    done = facts("apply", FAULTY)
    assert (done.code, done.out) == (2, "")
    head, *lines = done.err.splitlines()
    assert head == "error: the server refuses the request (FACTS_FAULTY)"
    assert all(line.startswith(f"  {tmp_path}/facts.yaml:") for line in lines)
    assert any(":6: " in line and "boss" in line for line in lines)
    assert any(":8: " in line and "document:nowhere" in line for line in lines)
    assert facts.tenant not in facts("export").out


@pytest.mark.parametrize("text", ["", "tenants: [", "- a", "tenants: {acme: {}}\n---\ntenants: {}"])
def test_what_is_no_facts_document_is_refused(facts, text):
    """Exit code 2 and no traceback for any content of the file."""
    done = facts("plan", text)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err


def test_export_is_taken_back_unchanged(facts, tmp_path):
    """Into a file and to standard output alike; applying it changes nothing."""
    facts("apply", DOCUMENT)
    path = tmp_path / "export.yaml"
    assert facts("export", None, facts.tenant, "--output", path).code == 0
    assert path.read_text() == facts("export", None, facts.tenant).out
    assert facts("apply", path.read_text()).out == f"{facts.tenant}\n  nothing changes\n"


def test_export_of_an_unwritable_place_is_a_sentence(facts, tmp_path):
    """A directory is no file."""
    done = facts("export", None, "--output", tmp_path)
    assert (done.code, done.err) == (2, f"error: can't open `{tmp_path}`: is a directory\n")


def test_standard_input_is_a_file_too(server):
    """`-` reads the document from a pipe, and faults name it so."""
    done = sidegate("facts", "plan", "-", "--address", server.address, stdin="tenants: {piped: {members: {a: {x: 1}}}}")
    assert done.code == 2
    assert "<stdin>:1: tenants.piped.members.a.x: " in done.err


def test_json_is_the_answer_of_the_wire(facts):
    """A script gets each change with its entity and key, and the revision that was made."""
    planned = json.loads(facts("plan", DOCUMENT, "--json").out)
    applied = json.loads(facts("apply", DOCUMENT, "--json", "--actor", "ops").out)
    assert planned["tenants"][0]["revision"] == ""
    assert applied["tenants"][0]["revision"]
    assert planned["tenants"][0]["changes"] == applied["tenants"][0]["changes"]
    things = [(change["entity"], change["key"]) for change in applied["tenants"][0]["changes"]]
    assert ("grant", ["viewer", "document:d1", "group:sales"]) in things


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path, content):
    """It is an error before the server is asked."""
    path = tmp_path / "facts.yaml"
    if content:
        path.write_bytes(content)
    done = sidegate("facts", "plan", path, "--address", "127.0.0.1:1")
    assert done.code == 2
    assert done.err.startswith(f"error: can't open `{path}`" if content is None else f"error: `{path}` is not UTF-8")


def test_no_server_is_a_sentence(tmp_path):
    """Could not write: exit code 3."""
    (tmp_path / "facts.yaml").write_text(DOCUMENT)
    done = sidegate("facts", "apply", tmp_path / "facts.yaml", "--address", f"unix:{tmp_path}/none.sock")
    assert done.code == 3
    assert "no server answers at `unix:" in done.err


def test_the_schema_is_json_schema():
    """Editors can use what `facts schema` prints."""
    schema = json.loads(sidegate("facts", "schema").out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "tenants" in schema["properties"]
