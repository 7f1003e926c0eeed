"""Signed tokens: their bearer can change nothing in them."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.errors import InvalidInput
from sidegate.server.wire.tokens.seals import Seals

SEALS = Seals(b"a key that only tests know")
LETTERS = string.ascii_letters + string.digits + "-_"
ANY_CHARACTER = LETTERS + "+/= \n\t.~\0é\uff11"
parts = st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=3)


@given(parts)
def test_what_is_sealed_is_opened(texts):
    """A token opens to exactly its texts, for its purpose and by its key only; it begins with a letter."""
    token = SEALS.seal("page", *texts)
    assert token[0].isalpha()
    assert SEALS.open("page", token, field="f") == tuple(texts)
    for seals, purpose in ((SEALS, "deletion"), (Seals(b"another key of many bytes"), "page")):
        with pytest.raises(InvalidInput):
            seals.open(purpose, token, field="f")


@given(parts, st.integers(0), st.sampled_from(ANY_CHARACTER), st.sampled_from(["replace", "insert", "remove"]))
def test_a_changed_token_is_refused(texts, position, character, change):
    """No token opens with a character replaced, inserted or removed, at whatever position, the last one included."""
    token = SEALS.seal("page", *texts)
    position %= len(token) + (change == "insert")
    inserted = "" if change == "remove" else character
    changed = token[:position] + inserted + token[position + (change != "insert") :]
    if changed != token:
        with pytest.raises(InvalidInput):
            SEALS.open("page", changed, field="f")


@given(parts)
def test_a_token_has_one_spelling(texts):
    """Padding, whitespace, the other base64 alphabet and set unused bits are refused."""
    token = SEALS.seal("page", *texts)
    padded = token + "=" * (-len(token) % 4)
    others = {padded, token + "=", token + "\n", " " + token, token.replace("-", "+").replace("_", "/")}
    others |= {token[:-1] + last for last in LETTERS}
    for other in others - {token}:
        with pytest.raises(InvalidInput):
            SEALS.open("page", other, field="f")


@pytest.mark.parametrize("token", ["", "x", "é", "====", "A" * 22, "A" * 4000])
def test_any_other_text_is_refused(token):
    """What is no token names its field."""
    with pytest.raises(InvalidInput) as caught:
        SEALS.open("page", token, field="page_token")
    assert caught.value.violations[0].field == "page_token"


def test_the_first_key_signs_and_all_verify():
    """A key can be replaced in two steps, and no token is refused meanwhile."""
    before, between, after = Seals(b"old"), Seals(b"new", b"old"), Seals(b"new")
    assert between.open("page", before.seal("page", "a"), field="f") == ("a",)
    assert after.open("page", between.seal("page", "a"), field="f") == ("a",)
    for refusing, token in ((after, before.seal("page", "a")), (before, between.seal("page", "a"))):
        with pytest.raises(InvalidInput):
            refusing.open("page", token, field="f")
