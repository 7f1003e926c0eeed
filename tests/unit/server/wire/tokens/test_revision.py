"""Revision tokens: only ours come back, and only for their tenant."""

import hmac
import string
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.errors import InvalidInput
from sidegate.model.revision import NO_REVISION, Revision
from sidegate.server.wire.tokens.revision import FIELD, RevisionTokens

TOKENS = RevisionTokens(b"0123456789abcdef")
REVISIONS = st.builds(Revision, st.integers(1, 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
ONE = Revision(41, 1_790_000_000_000_000)
TENANTS = st.text(min_size=1, max_size=20)
TOKEN_CHARACTERS = string.ascii_letters + string.digits + "-_"


@given(TENANTS, REVISIONS)
def test_a_token_decodes_to_its_revision(tenant: str, revision: Revision) -> None:
    """Every revision comes back from its token with number and time; the token is safe in a URL."""
    token = TOKENS.encode(tenant, revision)

    assert TOKENS.decode(tenant, token) == revision
    assert set(token) <= set(TOKEN_CHARACTERS)


@given(TENANTS, REVISIONS, REVISIONS)
def test_no_two_revisions_have_one_token(tenant: str, one: Revision, other: Revision) -> None:
    """Two states of one number, made at different times, have different tokens, and no others have the same either."""
    again = Revision(one.number, other.time)
    for another in (other, again):
        assert (TOKENS.encode(tenant, one) == TOKENS.encode(tenant, another)) == (one == another)


def test_the_revision_of_a_tenant_that_is_not_there_is_empty_both_ways() -> None:
    """No revision has the empty token, and the empty token asks for nothing."""
    assert TOKENS.encode("acme", NO_REVISION) == ""
    assert TOKENS.decode("acme", "") == NO_REVISION


@given(TENANTS, TENANTS, REVISIONS)
def test_a_token_of_another_tenant_is_refused(tenant: str, other: str, revision: Revision) -> None:
    """A token is good for the tenant it was made for, and for no other."""
    if tenant == other:
        return
    with pytest.raises(InvalidInput) as caught:
        TOKENS.decode(other, TOKENS.encode(tenant, revision))

    assert [violation.field for violation in caught.value.violations] == [FIELD]


def test_every_token_with_one_character_changed_is_refused() -> None:
    """No single character of a token can be replaced, left out or doubled."""
    token = TOKENS.encode("acme", ONE)
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
        RevisionTokens(b"another key of 16").decode("acme", TOKENS.encode("acme", ONE))


def test_a_token_of_a_number_alone_is_refused() -> None:
    """A number without its time, signed as a revision with it is, is refused."""
    stored = (41).to_bytes(8, "big")
    sealed = hmac.digest(b"0123456789abcdef", b"sidegate revision\0" + stored + b"acme", "sha256")
    for length in (16, 17, 25):
        with pytest.raises(InvalidInput):
            TOKENS.decode("acme", urlsafe_b64encode(stored + sealed[:length]).decode())


def test_a_key_that_can_be_guessed_is_refused() -> None:
    """A key of fewer than 16 bytes is a mistake of the one who wires the server."""
    with pytest.raises(ValueError, match="at least 16"):
        RevisionTokens(b"short")


def test_the_first_key_signs_and_all_verify():
    """A key can be replaced in two steps, and no token is refused meanwhile."""
    old, new = b"the key of last year", b"the key of this year"
    before, between, after = RevisionTokens(old), RevisionTokens(new, old), RevisionTokens(new)
    for token in (before.encode("acme", ONE), between.encode("acme", ONE)):
        assert between.decode("acme", token) == ONE
    assert after.decode("acme", between.encode("acme", ONE)) == ONE
    for refusing, token in ((after, before.encode("acme", ONE)), (before, between.encode("acme", ONE))):
        with pytest.raises(InvalidInput):
            refusing.decode("acme", token)
    with pytest.raises(ValueError, match="can be guessed"):
        RevisionTokens(new, b"short")
