"""The invitee of an invitation: by e-mail, mobile number or account ID (EF-11)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from sidegate.errors import InvalidInput, Violation
from sidegate.facts.addresses import normalized_email
from sidegate.model.identifiers import ACCOUNT_ID, escaped, invisible_character, refused_character

MAX_INVITEES: Final = 10_000
_PART: Final = re.compile(r"[^;\n]+")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_LOOKS_LIKE_PHONE = re.compile(r"\+?[\d\s().-]+")
_ID = re.compile(r"(?!\s)[^*\x00-\x1f\x7f-\x9f]{1,256}(?<!\s)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SEPARATORS = re.compile(r"[\s().-]")


@dataclass(frozen=True, slots=True)
class Invitee:
    """A person to invite; `place` is the position in the request, for errors.

    `faults` are errors of the row itself, such as a cell that holds no text.
    """

    place: str
    email: str = ""
    phone: str = ""
    account: str = ""
    name: str = ""
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    id: str = ""
    faults: tuple[Violation, ...] = ()

    @property
    def member(self) -> str:
        """The member's ID: the given one, else the account, the e-mail or the phone number; addresses in lower case."""
        account = self.account.lower() if "@" in self.account else self.account
        return self.id or account or self.email.lower() or self.phone


def from_addresses(text: str) -> Iterator[Invitee]:
    """Yield the invitees of a text of addresses separated by semicolons or line ends; empty parts are skipped."""
    parts = (found[0].strip() for found in _PART.finditer(text))
    for position, part in enumerate(filter(None, parts)):
        place = f"addresses[{position}]"
        if "@" in part:
            yield Invitee(place, email=part)
        elif _LOOKS_LIKE_PHONE.fullmatch(part):
            yield Invitee(place, phone=part)
        else:
            yield Invitee(place, account=part)


def normalized(invitee: Invitee, account_id: str = ACCOUNT_ID) -> Invitee:
    """Return the invitee with addresses as they are stored; `account_id` is the pattern of account IDs.

    Raises:
        InvalidInput: an address or a name is not right; names every field.
    """
    phone = _SEPARATORS.sub("", invitee.phone)
    phone = "+" + phone[2:] if phone.startswith("00") else phone
    email = invitee.email.strip()
    known = normalized_email(email)
    made = replace(invitee, email=known or email, phone=phone, name=invitee.name.strip())
    if found := made.faults or (*_faults(made, account_id, is_email=known is not None),):
        raise InvalidInput(*found)
    return made


def require_email(email: str, field: str) -> Iterator[Violation]:
    """Yield what is wrong with an e-mail address, nothing if there is none; no name server is asked."""
    if email and normalized_email(email) is None:
        yield _no_email(email, field)


def require_phone(phone: str, field: str) -> Iterator[Violation]:
    """Yield what is wrong with a phone number, nothing if there is none."""
    if phone and not _is_phone(phone):
        yield Violation(
            field, f"`{_shown(phone)}` is no mobile number: expected country and number, such as `+628123456789`"
        )


def _no_email(email: str, field: str) -> Violation:
    return Violation(field, f"`{_shown(email)}` is no e-mail address: expected one such as `uma@acme.example`")


def _is_phone(text: str) -> bool:
    import phonenumbers  # noqa: PLC0415 - only invitations need it

    if not _PHONE.fullmatch(text):
        return False
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text, None))
    except phonenumbers.NumberParseException:
        return False


def _shown(text: str) -> str:
    return escaped(text[:48])


def _faults(invitee: Invitee, account_id: str, *, is_email: bool) -> Iterator[Violation]:
    place = invitee.place
    if not (invitee.email or invitee.phone or invitee.account):
        yield Violation(place, "has no address: expected an e-mail, a mobile number or an account ID")
        return
    if invitee.email and not is_email:
        yield _no_email(invitee.email, f"{place}.email")
    yield from require_phone(invitee.phone, f"{place}.phone")
    if invitee.account and (not re.fullmatch(account_id, invitee.account) or invisible_character(invitee.account)):
        message = (
            f"`{_shown(invitee.account)}` is no account ID: expected one without blanks, not like a number or an e-mail"
        )
        yield Violation(f"{place}.account", message)
    elif not _ID.fullmatch(invitee.member):
        message = (
            f"`{_shown(invitee.member)}` is not right: expected 1 to 256 characters without control characters or `*`"
        )
        yield Violation(f"{place}.account", message)
    named = (("member_id", (invitee.id,)), ("roles", invitee.roles), ("groups", invitee.groups))
    for field, identifiers in named:
        yield from (Violation(f"{place}.{field}", why) for id_ in identifiers if (why := refused_character(id_)))
    if _CONTROL.search(invitee.name) or len(invitee.name) > 256:  # noqa: PLR2004 - the limit of all names
        yield Violation(f"{place}.name", "is not right: expected up to 256 characters without control characters")
