"""Findings that warn about a pack that loads."""

import re
from pathlib import Path

import pytest

from sidegate.policy.lint.findings import lint_pack
from sidegate.policy.pack.load import load_pack
from sidegate.policy.pack.registry import bundled_packs
from support.packs.packs import MODEL, ROWS, SCHEMA, write_pack

PACKS = sorted(path.parent for path in bundled_packs().glob("*/pack.yaml"))
UNUSED = re.compile(r"  label: .*\n| +status: .*\n|member:\n  clearance.*\ncontext:\n.*\n")
CLEAN = UNUSED.sub("", SCHEMA).replace("require_mfa", "quiet")
CUSTOM = f"{CLEAN}matcher: custom\n"
ROWS_CLEAN = f"""{ROWS}\
p, insider, group, group, view, !r.dom.quiet, allow, SM-02
p, self, desk, desk, open, r.act in ("open", "shut"), allow, SM-02
p, owner, note, note, view, r.sub.id in r.obj.readers, allow, SM-02
"""


def findings(directory: Path, **texts: str) -> list[str]:
    write_pack(directory, **{"schema": CLEAN, "rows": ROWS_CLEAN, **texts})
    return [str(fault).removeprefix(f"{directory}/") for fault in lint_pack(load_pack(directory))]


def test_a_clean_pack_has_no_finding(tmp_path: Path) -> None:
    """A pack that uses all it declares has no finding."""
    assert findings(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (
            "  admin: {on",
            "  desk: {on: [tenant]}\n  admin: {on",
            "pack.yaml:6: roles.desk: `desk` is the name of a type ",
        ),
        (
            "  admin: {on",
            "  idle: {on: [tenant]}\n  admin: {on",
            "pack.yaml:6: roles.idle: no row of policy.csv is about",
        ),
        (
            "  quiet: {",
            "  loud: {type: boolean}\n  quiet: {",
            "pack.yaml:4: settings.loud: no condition reads `r.dom.l",
        ),
        (
            "      readers: {",
            "      kind: {type: string, from: stored}\n      readers: {",
            "pack.yaml:20: resources.note.p",
        ),
        (
            "roles:\n",
            "member:\n  rank: {type: integer, from: stored}\nroles:\n",
            "pack.yaml:6: member.rank: no condition",
        ),
        (
            "Admins may do everything.",
            "Admins may do everything",
            "pack.yaml:22: rules.SM-01.text: the text is no whole ",
        ),
        (
            "text: Owners view and edit.,",
            "text: X., reason: x,",
            "pack.yaml:23: rules.SM-02.reason: no deny row is of th",
        ),
    ],
)
def test_what_a_schema_declares_without_effect_is_found(tmp_path: Path, old: str, new: str, finding: str) -> None:
    """Ambiguous names, what no row uses and texts that are no sentence are findings on their line."""
    assert CLEAN.count(old) == 1
    found = findings(tmp_path, schema=CLEAN.replace(old, new))

    assert found[0].startswith(finding)


def test_a_stored_property_of_members_is_found(tmp_path: Path) -> None:
    """Nothing stores custom properties of members, so a stored one never has a value."""
    schema = CLEAN.replace("roles:\n", "member:\n  rank: {type: integer, from: stored}\nroles:\n")

    assert "pack.yaml:6: member.rank: nothing stores a property of members; it always has its default" in findings(
        tmp_path, schema=schema
    )


OPERATIONS = "operations: {list_members: member:list}\nrules:\n"


def test_what_only_the_platform_can_make_is_found(tmp_path: Path) -> None:
    """What members can own or hold and only the platform can make or grant is a finding, where members act at all."""
    acting = CLEAN.replace("rules:\n", OPERATIONS)
    owned = "has an owner, and only the platform registers one; see `registered_with`"
    assert findings(tmp_path / "a", schema=acting) == [
        f"pack.yaml:15: resources.folder: a `folder` {owned}",
        f"pack.yaml:16: resources.note: a `note` {owned}",
    ]

    made = acting.replace("parents: [group]", "parents: [group], registered_with: group:view")
    note = "    parents: [folder, desk]\n"
    in_desk = made.replace(note, f"{note}    registered_with: desk:open\n")
    (found,) = findings(tmp_path / "b", schema=in_desk)
    assert found.startswith("pack.yaml:18: resources.note.registered_with: only the platform registers a `note` in a")
    in_both = in_desk.replace("registered_with: desk:open", "registered_with: [desk:open, folder:view]")
    assert findings(tmp_path / "c", schema=in_both) == []
    reader = in_both.replace("  self: {", "  reader: {on: [note]}\n  self: {")
    rows = f"{ROWS_CLEAN}p, reader, note, note, view, True, allow, SM-02\n"
    assert findings(tmp_path / "d", schema=reader, rows=rows) == [
        "pack.yaml:9: roles.reader: only the platform grants `reader` on a `note`; see `granted_with`"
    ]
    shared = reader.replace("reader: {on: [note]}", "reader: {on: [note], granted_with: edit}")
    assert findings(tmp_path / "e", schema=shared, rows=rows) == []


@pytest.mark.parametrize("directory", PACKS, ids=lambda directory: directory.name)
def test_members_of_a_bundled_pack_make_what_they_own(directory: Path) -> None:
    """Nothing in the bundled packs can be owned or held that only the platform can make or grant."""
    assert [str(fault) for fault in lint_pack(load_pack(directory)) if "only the platform" in fault.message] == []


def test_an_action_that_nobody_is_allowed_is_found(tmp_path: Path) -> None:
    """An action that no row allows is a finding, unless a tenant's own roles can allow it."""
    rows = ROWS_CLEAN.replace("p, admin, tenant, *, *, True, allow", "p, admin, tenant, member, invite, True, allow")
    only_notes = CLEAN.replace('types: "*"', "types: [note, folder]")

    assert findings(tmp_path / "a", rows=rows) == []
    assert findings(tmp_path / "b", rows=rows, schema=only_notes) == [
        "pack.yaml:12: resources.member.actions.1: no row allows `list` on `member` to anyone"
    ]


@pytest.mark.parametrize(
    ("row", "finding"),
    [
        ("p, owner, note, note, *, True, allow, SM-01", "policy.csv:2: this row never decides; line 8 says the same"),
        (
            "p, *, tenant, note, edit, r.sub.quota <= 0, deny, SM-01",
            "policy.csv:8: this row never decides; line 4 says",
        ),
        ("p, *, tenant, *, *, True, allow, SM-01", "policy.csv:8: this row allows every member everything"),
        ("p, *, tenant, *, *, True, deny, SM-03", "policy.csv:8: this row denies everything to everyone"),
        (
            'p, *, tenant, note, view, r.sub.name == "r.x", allow, SM-01',
            "policy.csv:8: cond: stock Casbin would garble",
        ),
        (
            'p, *, tenant, note, view, r.sub.name == "hi!", allow, SM-01',
            "policy.csv:8: cond: stock Casbin would garble",
        ),
    ],
)
def test_misleading_rows_are_found(tmp_path: Path, row: str, finding: str) -> None:
    """Rows that never decide, allow or deny everything, or mean something else in stock Casbin are findings."""
    (found,) = findings(tmp_path, rows=f"{ROWS_CLEAN}{row}\n")

    assert found.startswith(finding)


def test_another_matcher_is_found(tmp_path: Path) -> None:
    """A custom matcher loads, and lint says that the checks of rows assume the standard one."""
    (found,) = findings(tmp_path, schema=CUSTOM, model=MODEL.replace('p.role == "*" || ', ""))

    assert found.startswith("model.conf: m: the matcher is not `keyMatch(")


def test_a_declared_matcher_that_is_none_is_found(tmp_path: Path) -> None:
    """A pack that declares a custom matcher and has the one of all packs misleads its reader."""
    (found,) = findings(tmp_path, schema=CUSTOM)
    assert found == "model.conf: m: the matcher is that of all packs; leave `matcher: custom` out of pack.yaml"


def test_a_matcher_that_is_scanned_is_found(tmp_path: Path) -> None:
    """A matcher that no index serves loads, and lint shows its plan."""
    scanned = MODEL[: MODEL.index("m = ")] + "m = r.obj.type != p.type && eval(p.cond)\n"
    other, found = findings(tmp_path, schema=CUSTOM, model=scanned)

    assert other.startswith("model.conf: m: the matcher is not `keyMatch(")
    assert found.splitlines()[:2] == [
        "model.conf: m: no index leads to the rules, so each Check tries all of them:",
        "    matcher m on p",
    ]
