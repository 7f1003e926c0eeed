"""Identifiers hold no characters that nobody sees."""

from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.errors import InvalidInput
from sidegate.model.identifiers import escaped, invisible_character
from sidegate.server.wire.validation import Inspection


@pytest.mark.parametrize(
    ("character", "named"),
    [
        ("\u202e", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("\u200b", "U+200B ZERO WIDTH SPACE"),
        ("\ufeff", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("\U000e0041", "U+E0041"),
    ],
)
def test_a_question_with_an_invisible_character_is_refused(character, named):
    """The field is named, the value is escaped, and so is the code point."""
    inspection = Inspection()
    inspection.identifier("subject.id", f"u{character}ma")
    with pytest.raises(InvalidInput) as caught:
        inspection.finish()
    (violation,) = caught.value.violations
    assert violation.field == "subject.id"
    assert named in violation.message
    assert escaped(character) in violation.message
    assert character not in violation.message


@given(st.text(st.characters(categories=["L", "N", "P", "S", "M"])))
def test_visible_text_passes(text):
    """Letters, marks, numbers, punctuation and symbols of any script are fine."""
    assert invisible_character(text) is None


@given(st.text(), st.characters(categories=["Cf", "Cc", "Zl", "Zp", "Cs"]), st.text())
def test_any_invisible_character_is_found_and_escaped(before, character, after):
    """Wherever it is, it is found, and what messages show is printable."""
    named = invisible_character(before + character + after)
    assert named is not None
    assert category(chr(int(named.split()[0].removeprefix("U+"), base=16))) in {"Cf", "Cc", "Zl", "Zp", "Cs"}
    assert escaped(before + character + after).isprintable()
