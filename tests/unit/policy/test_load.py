"""Loading a pack: what it becomes, and what stops it."""

import hashlib
from pathlib import Path

import pytest

from sidegate.errors import PackError
from sidegate.model.decision import Obligation
from sidegate.policy.pack.load import load_pack
from sidegate.policy.pack.schema import Count, EnforcedBy, HeldBy, InstanceOf, Source
from support.packs.packs import MODEL, ROWS, SCHEMA, write_pack


def faults_of(directory: Path, **texts: str) -> list[str]:
    """Return the faults of the small pack with other texts, without its directory."""
    write_pack(directory, **texts)
    with pytest.raises(PackError) as caught:
        load_pack(directory)
    return [str(fault).removeprefix(f"{directory}/") for fault in caught.value.faults]


def with_row(row: str) -> str:
    return f"{ROWS}{row}\n"


def test_a_pack_becomes_values(tmp_path: Path) -> None:
    """Everything that pack.yaml declares is in the schema, with defaults by type."""
    pack = load_pack(write_pack(tmp_path))
    schema = pack.schema

    assert (schema.name, schema.one_role_per_member) == ("small", False)
    assert schema.roles["admin"].count is Count.EXACTLY_ONE
    assert schema.roles["owner"].on == {"tenant", "folder", "note"}
    assert schema.roles["insider"].held_by is HeldBy.GROUP
    assert schema.resources["desk"].instances is InstanceOf.MEMBER
    assert schema.resources["note"].actions == ("view", "edit", "download_pdf", "download_csv")
    assert schema.custom_roles is not None
    assert schema.custom_roles.types == {"member", "group", "desk", "folder", "note"}
    assert schema.rules["SM-03"].obligations == (Obligation("buy_quota"),)
    assert schema.rules["SM-04"].enforced_by == {EnforcedBy.MEMBERSHIP}
    assert pack.rows[1] == ("p", "owner", "note", "note", "*", "True", "allow", "SM-02")
    assert pack.lines == (1, 2, 3, 4)


def test_properties_without_a_default_have_that_of_their_type(tmp_path: Path) -> None:
    """A property's default is the declared one, else the empty value of its type."""
    schema = load_pack(write_pack(tmp_path)).schema
    note = schema.resources["note"].properties or {}

    assert (schema.settings["require_mfa"].default, schema.settings["label"].default) == (False, "plain")
    assert (schema.member["clearance"].default, schema.member["clearance"].source) == (0, Source.REQUEST)
    assert (note["status"].default, note["readers"].default) == ("draft", [])
    assert schema.context["ip"].source is Source.REQUEST


def test_the_digest_is_sha256_over_length_prefixed_names_and_contents(tmp_path: Path) -> None:
    """A pack's digest can be computed by anybody: 8 bytes of length before each file's name and content."""
    pack = load_pack(write_pack(tmp_path))
    expected = hashlib.sha256()
    for name, text in (("pack.yaml", SCHEMA), ("model.conf", MODEL), ("policy.csv", ROWS)):
        for part in (name.encode(), text.encode()):
            expected.update(len(part).to_bytes(8, "big") + part)

    assert pack.digest == expected.hexdigest()


def test_a_comment_changes_the_digest(tmp_path: Path) -> None:
    """Two packs of one digest are the same files, to the byte."""
    one = load_pack(write_pack(tmp_path / "one"))
    other = load_pack(write_pack(tmp_path / "other", rows=f"# reviewed\n{ROWS}"))

    assert one.rows == other.rows
    assert one.digest != other.digest


def test_the_faults_of_all_three_files_are_reported_together(tmp_path: Path) -> None:
    """One load names every fault with file, line and key, ordered by file and line."""
    faults = faults_of(
        tmp_path,
        schema=SCHEMA.replace("on: [group]", "on: [grp]").replace("default: draft", "default: 3"),
        model=MODEL.replace("g(r.sub.ref", "h(r.sub.ref"),
        rows=with_row("p, admn, tenant, note, view, True, allow, SM-01"),
    )

    assert faults == [
        "pack.yaml:13: roles.insider.on: `grp` is no type: did you mean `group`?",
        "pack.yaml:25: resources.note.properties.status.default: `3` is not right: expected a value of type string",
        "model.conf:14: matcher `m`: unknown function `h`",
        "policy.csv:5: role: `admn` is no role: did you mean `admin`?",
    ]


def test_missing_files_are_named(tmp_path: Path) -> None:
    """A directory without the files of a pack says which are missing and what a pack has."""
    (tmp_path / "pack.yaml").write_text(SCHEMA)
    with pytest.raises(PackError) as caught:
        load_pack(tmp_path)

    assert [Path(fault.file).name for fault in caught.value.faults] == ["model.conf", "policy.csv"]
    assert "a pack has pack.yaml, model.conf, policy.csv" in str(caught.value)


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are a fault on their line."""
    write_pack(tmp_path)
    (tmp_path / "policy.csv").write_bytes(ROWS.encode() + b"# caf\xe9\n")
    with pytest.raises(PackError, match=r"policy\.csv:5: not UTF-8"):
        load_pack(tmp_path)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("p, boss, tenant, note, view, True, allow, SM-01", "role: `boss` is no role: expected one of "),
        ("p, admin, note, note, view, True, allow, SM-01", "scope: role `admin` can't be held on `note`: "),
        ("p, *, note, note, view, True, allow, SM-01", "scope: `note` is not right: role `*` is every member"),
        ("p, owner, note, folder, view, True, allow, SM-01", "scope: `note` is neither `folder` nor a parent of "),
        ("p, admin, tenant, notes, view, True, allow, SM-01", "type: `notes` matches no type: did you mean `note`?"),
        ("p, admin, tenant, x*, view, True, allow, SM-01", "type: `x*` matches no type: "),
        ("p, admin, tenant, n*e, view, True, allow, SM-01", "type: `n*e` is not right: write `*` at the end only"),
        ("p, admin, tenant, note, veiw, True, allow, SM-01", "act: `veiw` matches no action: did you mean `view`?"),
        ("p, admin, tenant, folder, edit, True, allow, SM-01", "act: `edit` matches no action: "),
        ("p, admin, tenant, note, up*, True, allow, SM-01", "act: `up*` matches no action: "),
        ("p, admin, tenant, note, view, True, Deny, SM-01", "eft: `Deny` is not right: expected `allow` or `deny`"),
        ("p, admin, tenant, note, view, True, allow, SM-99", "rule: `SM-99` is no rule: did you mean `SM-04`?"),
        ("p, admin, tenant, note, view, True, deny,", "rule: `` is no rule: expected one of "),
        ("p, admin, tenant, note, view, True, allow", "6 values; expected the 7 of `p, role, scope, type, act, "),
        ("g, member:uma, admin, tenant:acme", "a pack holds `p` rows only, not `g`; "),
        ("p, admin, tenant, note, view, (True, allow, SM-01", "`(` is never closed; "),
    ],
)
def test_a_wrong_row_stops_the_pack(tmp_path: Path, row: str, fault: str) -> None:
    """Each kind of wrong row is one fault on the row's line that says what would be right."""
    (found,) = faults_of(tmp_path, rows=with_row(row))

    assert found.startswith(f"policy.csv:5: {fault}")


@pytest.mark.parametrize("act", ["down*", "*", "view*"])
def test_patterns_that_match_an_action_are_right(tmp_path: Path, act: str) -> None:
    """A pattern is accepted if it matches at least one action."""
    assert load_pack(write_pack(tmp_path, rows=with_row(f"p, admin, tenant, note, {act}, True, allow, SM-01")))


def test_an_empty_policy_is_refused(tmp_path: Path) -> None:
    """A pack without rows does not load, since Casbin could allow everything."""
    faults = faults_of(tmp_path, rows="# nothing yet\n")

    assert faults[-1].startswith("policy.csv: there is no row; an empty policy is refused")


@pytest.mark.parametrize(
    ("texts", "fault"),
    [
        ({"rows": f"{ROWS}# \u202enothing\n"}, "policy.csv:5: expected no U+202E RIGHT-TO-LEFT OVERRIDE, "),
        ({"rows": f"{ROWS}# note\u2028p, *, note"}, "policy.csv:5: expected no U+2028 LINE SEPARATOR, "),
        ({"model": f"{MODEL}# a\u200bb\n"}, "model.conf:15: expected no U+200B ZERO WIDTH SPACE, "),
        ({"schema": SCHEMA.replace("folder:", '"fol\\u200Bder":', 1)}, "fol\\u200bder"),
    ],
)
def test_text_that_an_editor_shows_otherwise_stops_the_pack(tmp_path: Path, texts: dict[str, str], fault: str) -> None:
    """Rows, comments and names hold no invisible character, so that what is reviewed is what decides."""
    (found, *_) = faults_of(tmp_path, **texts)
    assert fault in found
    assert found.isprintable()


def test_a_rule_that_rows_should_enforce_needs_one(tmp_path: Path) -> None:
    """A declared rule without a row is a fault, unless something else enforces it."""
    (fault,) = faults_of(tmp_path, rows=ROWS.replace("SM-03", "SM-01"))

    assert fault == (
        "pack.yaml:30: rules.SM-03: no row of policy.csv enforces this rule; "
        "say in `enforced_by` what does, or write the row"
    )


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("name: small", "name: Small", "pack.yaml:1: name: `Small` is not right: expected the pack's name"),
        ("label: {type: string", "id: {type: string", "pack.yaml:5: settings.id: `id` is built in; "),
        ("clearance: {type", "quota: {type", "pack.yaml:7: member.quota: `quota` is built in; "),
        ("status: {type", "ref: {type", "pack.yaml:25: resources.note.properties.ref: `ref` is built in; "),
        ("on: [tenant], count", "on: [tenent], count", "pack.yaml:11: roles.admin.on: `tenent` is no type: did you "),
        ("on: [desk], held_by", "on: [folder], held_by", "pack.yaml:14: roles.self.on: `held_by: member` needs types "),
        (
            "held_by: member",
            "held_by: member, count: exactly_one",
            "pack.yaml:14: roles.self.count: `held_by: member` ",
        ),
        ("on: [desk], held_by", "on: [tenant], held_by", "pack.yaml:14: roles.self.on: `held_by: member` can't be on "),
        ("rule: SM-02", "rule: SM-02X", "pack.yaml:15: custom_roles.rule: `SM-02X` is no rule: did you mean `SM-02`?"),
        ('types: "*"', "types: [nota]", "pack.yaml:15: custom_roles.types: `nota` is no type: did you mean `note`?"),
        ("parents: [folder, desk]", "parents: [folders]", "pack.yaml:22: resources.note.parents: `folders` is no type"),
        (
            "parents: [folder, desk]",
            "parents: [tenant]",
            "pack.yaml:22: resources.note.parents: everything belongs to ",
        ),
        (
            "parents: [group]",
            "parents: [folder]",
            "pack.yaml:20: resources.folder.parents: types are each other's parents",
        ),
        (
            "parents: [group]",
            "parents: [note]",
            "pack.yaml:20: resources.folder.parents: types are each other's parents: ",
        ),
        (
            "of: member, actions: [open]",
            "of: member, actions: [open], parents: [group]",
            "pack.yaml:19: resources.desk",
        ),
        ("reason: quota_exhausted", "reason: allowed_by_rule", "pack.yaml:30: rules.SM-03.reason: `allowed_by_rule` "),
        ("reason: member_pending", "reason: waiting", "pack.yaml:31: rules.SM-04.reason: `waiting` is not decided by "),
        ("of: group, actions", "off: group, actions", "pack.yaml:18: resources.group.off: unknown key `off`: did you "),
    ],
)
def test_a_wrong_declaration_stops_the_pack(tmp_path: Path, old: str, new: str, fault: str) -> None:
    """Each kind of wrong declaration is a fault on its line that says what would be right."""
    assert SCHEMA.count(old) == 1
    faults = faults_of(tmp_path, schema=SCHEMA.replace(old, new))

    assert faults[0].startswith(fault)


@pytest.mark.parametrize("key", ["viewed_with", "cloned_with", "updated_with", "moved_with", "deleted_with"])
def test_what_is_done_with_an_action_names_one_of_the_type(tmp_path: Path, key: str) -> None:
    """Each action on a resource that lets a member do something to it is one that its type declares."""
    note = "parents: [folder, desk]"
    assert load_pack(write_pack(tmp_path / "right", schema=SCHEMA.replace(note, f"{note}\n    {key}: edit")))
    (fault,) = faults_of(tmp_path, schema=SCHEMA.replace(note, f"{note}\n    {key}: edti"))
    assert fault == f"pack.yaml:23: resources.note.{key}: `note` has no action `edti`: did you mean `edit`?"


def test_a_type_is_registered_with_actions_on_parents_and_on_itself(tmp_path: Path) -> None:
    """One question or a list of them; a move asks the questions about parents, where it has none of its own."""
    note = "parents: [folder, desk]"
    one = SCHEMA.replace(note, f"{note}\n    registered_with: folder:view")
    read = load_pack(write_pack(tmp_path / "one", schema=one)).schema.resources["note"]
    assert (read.registered_with, read.moved_into) == ({"folder": "view"}, {"folder": "view"})

    more = f"{note}\n    registered_with: [folder:view, desk:open, note:edit]"
    read = load_pack(write_pack(tmp_path / "more", schema=SCHEMA.replace(note, more))).schema.resources["note"]
    assert read.registered_with == {"folder": "view", "desk": "open", "note": "edit"}
    assert read.moved_into == {"folder": "view", "desk": "open"}

    own = f"{more}\n    moved_with: edit\n    moved_into: desk:open"
    read = load_pack(write_pack(tmp_path / "own", schema=SCHEMA.replace(note, own))).schema.resources["note"]
    assert read.moved_into == {"desk": "open"}


@pytest.mark.parametrize(
    ("declared", "fault"),
    [
        ("registered_with: []", "registered_with: `[]` is not right: a list of one or more"),
        ("registered_with: [desk:opne]", "registered_with: `desk` has no action `opne`: did you mean `open`?"),
        ("registered_with: [desk:open, dest:open]", "registered_with: `dest` is no type: did you mean `desk`?"),
        ("registered_with: member:list", "registered_with: `member` is not right: expected a parent of `note` or the "),
        ("registered_with: [note:edit, note:view]", "registered_with: `note` is named twice; one action of a type is "),
        ("moved_with: edit, moved_into: note:edit", "moved_into: `note` is not right: expected a parent of `note`"),
        ("moved_into: desk:open", "moved_into: nobody moves a resource without `moved_with`; declare it too"),
    ],
)
def test_what_a_registration_or_a_move_asks_is_about_parents(tmp_path: Path, declared: str, fault: str) -> None:
    """A question about a type that is no parent, is unknown or is named twice is a fault on its line."""
    note = "parents: [folder, desk]"
    lines = "".join(f"\n    {line}" for line in declared.replace(", moved", "\nmoved").splitlines())
    (found,) = faults_of(tmp_path, schema=SCHEMA.replace(note, f"{note}{lines}"))
    assert found.partition("resources.note.")[2].startswith(fault)


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("suspend_tenant: note:edti", "suspend_tenant: `note` has no action `edti`: did you mean `edit`?"),
        ("delete_tenant: nota:edit", "delete_tenant: `nota` is no type: did you mean `note`?"),
        ("resume_tenant: note:edit", "resume_tenant: "),
    ],
)
def test_an_operation_asks_what_the_pack_declares(tmp_path: Path, operation: str, fault: str) -> None:
    """An operation is mapped to an action of a type; to resume a tenant is none, since no member ever can."""
    (found,) = faults_of(tmp_path, schema=f"{SCHEMA}operations: {{{operation}}}\n")
    assert found.startswith(f"pack.yaml:32: operations.{fault}")


def test_two_rules_can_not_have_one_reason_of_membership(tmp_path: Path) -> None:
    """The rule of a decision before any row does not depend on the order of the rules."""
    extra = "  SM-05: {text: The same., reason: member_pending, enforced_by: [membership]}\n"
    (fault,) = faults_of(tmp_path, schema=SCHEMA + extra)

    assert "`member_pending` already belongs to rule `SM-04`" in fault


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("r = sub, dom, obj, act, env", "r = sub, obj, act", "model.conf:2: r: `sub, obj, act` is not right: expected"),
        (
            "cond, eft, rule",
            "cond, eft, rule, note",
            "model.conf:5: p: `role, scope, type, act, cond, eft, rule, note`",
        ),
        ("g = _, _, _", "g = _, _, _\ng2 = _, _", "model.conf:8: g: a pack's model has the one role definition"),
        (
            "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
            "!some(where (p.eft == deny))",
            "model.conf:11: e: a pack's effect is `some(where (p.eft == allow)) && ",
        ),
        ("[matchers]", "[matcher]", "model.conf:13: unknown section `[matcher]`; "),
        ("eval(p.cond)", "eval(p.cond)\nm2 = r.act == p.act", "model.conf:15: m2: a pack's model has one matcher; "),
    ],
)
def test_a_wrong_model_stops_the_pack(tmp_path: Path, old: str, new: str, fault: str) -> None:
    """A model that could allow by default, or that a Check can't be evaluated with, is a fault on its line."""
    assert MODEL.count(old) == 1
    faults = faults_of(tmp_path, model=MODEL.replace(old, new))

    assert faults[0].startswith(fault)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("m = ", "m = True || "),
        ("eval(p.cond)", "eval(p.cond) || r.act == 'view'"),
        ('p.role == "*"', 'p.role == "* "'),
        (" && eval(p.cond)", ""),
        ("keyMatch(r.act", "keyMatch2(r.act"),
    ],
)
def test_a_matcher_of_its_own_is_declared(tmp_path: Path, old: str, new: str) -> None:
    """Another matcher than that of all packs, such as one that is always true, stops a pack that doesn't say so."""
    assert MODEL.count(old) == 1
    model = MODEL.replace(old, new)
    (fault,) = faults_of(tmp_path, model=model)
    assert fault.startswith("model.conf:14: m: expected `keyMatch(")
    assert fault.endswith("or `matcher: custom` in pack.yaml for a matcher of the pack's own")
    (fault,) = faults_of(tmp_path, model=model, schema=f"{SCHEMA}matcher: standard\n")
    assert fault.startswith("model.conf:14: m: ")
    assert load_pack(write_pack(tmp_path, model=model, schema=f"{SCHEMA}matcher: custom\n")).schema.custom_matcher


@pytest.mark.parametrize(("old", "new"), [(" && ", "&&"), ('"*"', "'*'"), ("(r.act, p.act)", "( r.act,p.act )")])
def test_space_and_quotes_make_no_matcher_of_its_own(tmp_path: Path, old: str, new: str) -> None:
    """The matcher is compared word by word."""
    assert load_pack(write_pack(tmp_path, model=MODEL.replace(old, new)))
