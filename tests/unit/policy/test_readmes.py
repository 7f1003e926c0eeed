"""The READMEs of the packs: made from the pack, current, and true."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidegate.policy.describe.constant_folding import fold_condition
from sidegate.policy.describe.matrix import Holder, Verdict, who_may
from sidegate.policy.describe.readme import main, readme
from sidegate.policy.pack.conditions import parse_condition
from sidegate.policy.pack.load import load_pack
from support.packs.packs import ROWS, write_pack
from support.paths import ROOT

POLICIES = ROOT / "policies"
PACKS = sorted(path.parent for path in POLICIES.glob("*/pack.yaml"))
named = pytest.mark.parametrize("directory", PACKS, ids=lambda path: path.name)


@named
def test_the_readme_is_current(directory: Path) -> None:
    """A pack's README is generated from its current files; `python -m sidegate.policy.describe.readme` writes it."""
    assert (directory / "README.md").read_text(encoding="utf-8") == readme(load_pack(directory))


@named
def test_every_rule_and_action_is_in_the_readme(directory: Path) -> None:
    """A reviewer finds each rule, role and action of the pack."""
    text = readme(load_pack(directory))
    schema = load_pack(directory).schema

    for name in [*schema.rules, *schema.roles, *(action for t in schema.resources.values() for action in t.actions)]:
        assert name in text


@named
def test_the_example_in_stock_casbin_runs(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The script that the README shows opens the pack in pycasbin and is allowed by a row of it."""
    (script,) = re.findall(r"```python\n(.*?)```", readme(load_pack(directory)), re.DOTALL)
    monkeypatch.chdir(directory)
    exec(compile(script, "README.md", "exec"), {})

    assert capsys.readouterr().out.startswith("(True, [")


def test_the_readme_is_written_into_the_pack(tmp_path: Path) -> None:
    """The module writes the README of each directory that it is given."""
    main([str(write_pack(tmp_path / "a")), str(write_pack(tmp_path / "b"))])

    assert (tmp_path / "a/README.md").read_text() == (tmp_path / "b/README.md").read_text()


def cells(directory: Path, rows: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield (holder, action, verdicts) of the small pack's notes."""
    pack = load_pack(write_pack(directory, rows=ROWS + rows))
    for holder, by_action in who_may(pack, pack.schema.resources["note"]).items():
        for action, verdicts in by_action.items():
            shown = [f"{'+' if v.allow else '-'}{v.rule}{' if ' if v.condition else ''}{v.condition}" for v in verdicts]
            yield f"{holder.role}@{holder.scope}", action, shown


def test_the_table_says_what_rows_say(tmp_path: Path) -> None:
    """A pattern fills the columns of all its actions; rows on other scopes are left out."""
    found = list(cells(tmp_path, ""))

    assert ("admin@tenant", "download_csv", ["+SM-01"]) in found
    assert ("owner@folder", "view", ["+SM-02"]) in found
    assert ("*@tenant", "edit", ["-SM-03 if r.sub.quota <= 0"]) in found
    assert not [holder for holder, _, _ in found if holder.startswith(("self", "insider"))]


def test_of_equal_rows_the_table_shows_the_last(tmp_path: Path) -> None:
    """Of several allows the last one names the rule; the table leaves out the others."""
    rows = "p, owner, note, note, edit, r.sub.mfa, allow, SM-01\np, owner, note, note, view, True, allow, SM-01\n"
    found = {(holder, action): shown for holder, action, shown in cells(tmp_path, rows)}

    assert found["owner@note", "edit"] == ["+SM-02", "+SM-01 if r.sub.mfa"]
    assert found["owner@note", "view"] == ["+SM-01"]


def test_a_row_that_can_not_hold_for_an_action_is_left_out(tmp_path: Path) -> None:
    """A row whose condition excludes actions by name is not in their columns."""
    rows = 'p, *, tenant, *, *, !r.sub.mfa && !(r.act in ("view", "list")), deny, SM-03\n'
    pack = load_pack(write_pack(tmp_path, rows=ROWS + rows))
    everyone = who_may(pack, pack.schema.resources["note"])[Holder("*", "tenant")]

    assert set(everyone) == {"edit", "download_pdf", "download_csv"}
    assert everyone["download_pdf"] == [Verdict(False, "SM-03", '!r.sub.mfa && !(r.act in ("view", "list"))')]


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("True", True),
        ('r.act == "view"', True),
        ('r.act != "view"', False),
        ('r.obj.type == "note" && r.act in ("edit", "view")', True),
        ("r.sub.mfa", None),
        ('r.sub.mfa && r.act == "edit"', False),
        ('r.sub.mfa || r.act == "view"', True),
        ('r.sub.mfa && r.act == "view"', None),
        ('!(r.sub.mfa || r.act == "edit")', None),
        ('r.act in ("edit", r.sub.id)', None),
        ('r.act < "x"', None),
        ('keyMatch(r.act, "v*")', None),
    ],
)
def test_what_type_and_action_decide(condition: str, value: bool | None) -> None:
    """A condition is folded to its value where type and action alone decide it, and to None everywhere else."""
    assert fold_condition(parse_condition(condition), type_="note", action="view") is value
