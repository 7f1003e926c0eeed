"""The words that the glossary bans are not used."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.paths import ROOT

GLOSSARY = ROOT / "docs/glossary.md"
READ = (".py", ".md", ".proto", ".yaml", ".json", ".toml", ".conf", ".csv", "Makefile")
EXCEPTIONS = {
    "docs/glossary.md",  # names them
    "tests/architecture/test_words.py",  # shows that they are found
}


def banned() -> list[str]:
    """Return the words and phrases in the first column of the glossary's last table."""
    rows = GLOSSARY.read_text().partition("## Banned")[2].splitlines()
    cells = [row.split("|")[1].strip() for row in rows if row.startswith("|") and not row.startswith("|---")]
    return [word.strip() for cell in cells[1:] for word in cell.split(",")]


SPACE = r"(?:[_-]|\s+(?:(?:#|//)\s+)?)"
"""Between two words of a phrase: a blank, in names what joins them, or a line end, of comments too."""
WORDS = re.compile(
    rf"(?<![a-z])({'|'.join(re.escape(word).replace(chr(92) + ' ', SPACE) for word in banned())})(?![a-z])",
    re.IGNORECASE,
)


def found(path: Path) -> Iterator[str]:
    """Yield each banned word of a file with its line."""
    text = path.read_text(encoding="utf-8")
    for match in WORDS.finditer(text):
        yield f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"


def files() -> list[Path]:
    """Return the files of the project that people read."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        ROOT / name
        for name in listed.stdout.splitlines()
        if name.endswith(READ) and not any(name.startswith(one) for one in EXCEPTIONS) and (ROOT / name).exists()
    ]


def test_the_glossary_bans_words():
    """The table is read: without it nothing would be looked for."""
    assert {"told", "in force", "anew"} <= set(banned())


@pytest.mark.parametrize(
    "text", ["it was told", "the packs In Force", "begun anew", "in_force", "_told_of", "# in\n    # force"]
)
def test_banned_words_are_found(text):
    """A banned word is found in prose and in names, whatever its case."""
    assert WORDS.search(text)


def test_no_file_uses_a_banned_word():
    """The glossary says which word to use instead."""
    assert [word for path in files() for word in found(path)] == []


def test_each_term_is_defined_once():
    """One word for one thing."""
    defined = GLOSSARY.read_text().partition("## Banned")[0]
    terms = [row.split("|")[1].strip() for row in defined.splitlines() if row.startswith("| ")]
    terms = [term for term in terms if term != "term"]
    assert len(terms) == len(set(terms))
