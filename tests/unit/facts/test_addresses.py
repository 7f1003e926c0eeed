"""E-mail addresses have one form, found quickly for plain ones."""

from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from sidegate.facts.addresses import normalized_email

_locals = st.from_regex(r"[a-z0-9._-]{0,70}", fullmatch=True) | st.text(max_size=8)
_domains = st.sampled_from(
    [
        "acme.example",
        "ACME.example",
        "bücher.example",
        "xn--bcher-kva.example",
        "localhost",
        "a..b",
        "",
        "x.test",
        "1.2",
    ]
) | st.from_regex(r"[a-z0-9.-]{1,210}", fullmatch=True)


@given(_locals, _domains)
def test_the_form_of_an_address_is_that_of_the_library(local: str, domain: str) -> None:
    """Whether an address is right, and its form, do not depend on how it is found."""
    address = f"{local}@{domain}"

    assert normalized_email(address) == _by_library(address)


def _by_library(address: str) -> str | None:
    try:
        found = validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return None
    return found.normalized if "." in found.domain else None
