"""Signed tokens: their bearer can change nothing in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.errors import InvalidInput
from sidegate.server.wire.tokens.seals import Seals

SEALS = Seals(b"a key that only tests know")
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


@given(parts, st.integers(0), st.sampled_from("AZaz09-_"))
def test_a_changed_token_is_refused(texts, position, character):
    """No other text of the same length opens, except for unused bits."""
    token = SEALS.seal("page", *texts)
    position %= len(token) - 1
    changed = token[:position] + character + token[position + 1 :]
    if changed != token:
        with pytest.raises(InvalidInput):
            SEALS.open("page", changed, field="f")


@pytest.mark.parametrize("token", ["", "x", "é", "====", "A" * 22, "A" * 4000])
def test_any_other_text_is_refused(token):
    """What is no token names its field."""
    with pytest.raises(InvalidInput) as caught:
        SEALS.open("page", token, field="page_token")
    assert caught.value.violations[0].field == "page_token"
