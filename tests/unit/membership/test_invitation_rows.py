"""Whom texts invite."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.errors import InvalidInput
from sidegate.membership.invitation_rows import Invitee, from_addresses, normalized


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    """EF-12: no text raises anything but InvalidInput, and every part that is not empty is somebody."""
    found = [*from_addresses(text)]
    assert len(found) == len([part for part in text.replace("\n", ";").split(";") if part.strip()])
    for invitee in found:
        assert all(field.startswith(invitee.place) for field in faulty(invitee))


def faulty(invitee):
    """Return the fields that are refused."""
    try:
        normalized(invitee)
    except InvalidInput as error:
        return [violation.field for violation in error.violations]
    return []


@pytest.mark.parametrize(
    ("phone", "stored"),
    [
        ("+62 812-3456-789", "+628123456789"),
        ("0062 (812) 3456789", "+628123456789"),
        ("+1.202.555.0123", "+12025550123"),
    ],
)
def test_phone_numbers_are_stored_alike(phone, stored):
    """EF-11: however a number is written, it is compared as country and number."""
    assert normalized(Invitee("x", phone=phone)).phone == stored


@pytest.mark.parametrize("phone", ["0812 3456 789", "+0812345678", "+12345", "+1234567890123456", "+62abc81234567"])
def test_a_number_without_its_country_is_refused(phone):
    """EF-11: a number that could be anyone's is refused, and names its field."""
    with pytest.raises(InvalidInput) as caught:
        normalized(Invitee("row", phone=phone))
    assert [violation.field for violation in caught.value.violations] == ["row.phone"]


@pytest.mark.parametrize(
    "text", ["not an address", "jo e", "foo@bar", "foo@test", "joe@x..example", "+62", "0812", "jo\u202ee"]
)
def test_a_mistyped_address_is_refused_and_shown(text):
    """EF-11: what is no e-mail address, mobile number or account ID invites nobody."""
    (invitee,) = from_addresses(text)
    with pytest.raises(InvalidInput) as caught:
        normalized(invitee)
    (violation,) = caught.value.violations
    shown = text.replace("\u202e", "\\u202e")
    assert violation.message.startswith(f"`{shown}` is no ")


@pytest.mark.parametrize("account", ["joe@acme.example", "628123456789", "+62", "jo e"])
def test_an_account_id_is_neither_blank_nor_address_nor_number(account):
    """EF-11: the account column takes account IDs alone; a deployment says what else is one."""
    assert faulty(Invitee("row", account=account)) == ["row.account"]
    assert normalized(Invitee("row", account=account), r".+").account == account


def test_the_case_of_an_email_makes_no_other_member():
    """EF-11: however its letters are written, an e-mail address leads to one member ID."""
    assert (
        normalized(Invitee("a", email="ANN@x.example")).member == normalized(Invitee("b", email="ann@x.example")).member
    )


@pytest.mark.parametrize("written", ["ANN@X.example", "ann@x.example"])
def test_an_address_is_one_member_however_it_is_written(written):
    """EF-11: the case of an address makes no second member, also where a deployment's account IDs are addresses."""
    anything = r".+"
    assert normalized(Invitee("x", email=written)).member == "ann@x.example"
    assert normalized(Invitee("x", account=written), anything).member == "ann@x.example"


def test_an_internationalised_domain_has_one_form():
    """EF-11: a domain in Unicode, in upper case, or as DNS has it is the same domain."""
    written = ["uma@bücher.example", "uma@BÜCHER.example", "uma@xn--bcher-kva.example"]
    assert len({normalized(Invitee("x", email=email)).email for email in written}) == 1
