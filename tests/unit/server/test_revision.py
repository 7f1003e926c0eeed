"""Revision tokens: only ours come back, and only for their tenant."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.errors import InvalidInput
from sidegate.server.revision import FIELD, RevisionTokens

TOKENS = RevisionTokens(b"0123456789abcdef")
NUMBERS = st.integers(min_value=1, max_value=2**63 - 1)
TENANTS = st.text(min_size=1, max_size=20)
TOKEN_CHARACTERS = string.ascii_letters + string.digits + "-_"


@given(TENANTS, NUMBERS)
def test_a_token_stands_for_its_revision(tenant: str, number: int) -> None:
    """Every revision comes back from its token, which is safe in a URL."""
    token = TOKENS.encode(tenant, number)

    assert TOKENS.decode(tenant, token) == number
    assert set(token) <= set(TOKEN_CHARACTERS)


def test_the_revision_of_a_tenant_that_is_not_there_is_empty_both_ways() -> None:
    """Revision 0 has the empty token, and the empty token asks for nothing."""
    assert TOKENS.encode("acme", 0) == ""
    assert TOKENS.decode("acme", "") == 0


@given(TENANTS, TENANTS, NUMBERS)
def test_a_token_of_another_tenant_is_refused(tenant: str, other: str, number: int) -> None:
    """A token is good for the tenant it was made for, and for no other."""
    if tenant == other:
        return
    with pytest.raises(InvalidInput) as caught:
        TOKENS.decode(other, TOKENS.encode(tenant, number))

    assert [violation.field for violation in caught.value.violations] == [FIELD]


def test_every_token_with_one_character_changed_is_refused() -> None:
    """No single character of a token can be replaced, left out or doubled."""
    token = TOKENS.encode("acme", 41)
    alphabet = TOKEN_CHARACTERS + "+/= \n.é１"
    replaced = {token[:n] + c + token[n + 1 :] for n in range(len(token)) for c in alphabet} - {token}
    shortened = {token[:n] + token[n + 1 :] for n in range(len(token))}
    doubled = {token[: n + 1] + token[n:] for n in range(len(token))}

    for mutation in replaced | shortened | doubled:
        with pytest.raises(InvalidInput):
            TOKENS.decode("acme", mutation)


@given(st.text(min_size=1, max_size=64))
def test_any_other_text_is_refused(text: str) -> None:
    """Text that we never made is an InvalidInput, whatever it holds."""
    with pytest.raises(InvalidInput):
        TOKENS.decode("acme", text)


def test_a_token_of_another_key_is_refused() -> None:
    """A sidecar with another key does not take our tokens."""
    with pytest.raises(InvalidInput):
        RevisionTokens(b"another key of 16").decode("acme", TOKENS.encode("acme", 1))


def test_a_key_that_can_be_guessed_is_refused() -> None:
    """A key of fewer than 16 bytes is a mistake of the one who wires the server."""
    with pytest.raises(ValueError, match="at least 16"):
        RevisionTokens(b"short")
