"""Whom an invitation is for: by e-mail, mobile number or account ID, from texts and tables (EF-11, EF-12)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import StringIO
from typing import Final

from sidegate.errors import InvalidInput, Violation
from sidegate.membership.finding import near, one_of

MAX_INVITEES: Final = 10_000
COLUMNS: Final = ("email", "phone", "account", "name", "roles", "groups")
"""The columns of a table; `roles` and `groups` hold names separated by semicolons."""
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f-\x9f]{1,64}@[^\s@\x00-\x1f\x7f-\x9f]{1,255}")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_LOOKS_LIKE_PHONE = re.compile(r"\+?[\d\s().-]{7,}")
_ID = re.compile(r"(?!\s)[^*\x00-\x1f\x7f-\x9f]{1,256}(?<!\s)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FILLING = re.compile(r"[\s().-]")


@dataclass(frozen=True, slots=True)
class Invitee:
    """One who shall be invited; `place` says where the request names them, for errors."""

    place: str
    email: str = ""
    phone: str = ""
    account: str = ""
    name: str = ""
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    id: str = ""

    @property
    def member(self) -> str:
        """The ID that the member gets: the given one, else the account, the e-mail or the phone number."""
        return self.id or self.account or self.email or self.phone


def from_addresses(text: str) -> Iterator[Invitee]:
    """Yield who stands in a text of addresses separated by semicolons; empty places are passed over."""
    parts = re.split(r"[;\n]", text)
    for position, part in enumerate(part for part in map(str.strip, parts) if part):
        place = f"addresses[{position}]"
        if "@" in part:
            yield Invitee(place, email=part)
        elif _LOOKS_LIKE_PHONE.fullmatch(part):
            yield Invitee(place, phone=part)
        else:
            yield Invitee(place, account=part)


def from_csv(text: str) -> Iterator[Invitee]:
    """Yield who stands in a table with a header; the place of each is its line.

    Raises:
        InvalidInput: the header or the table itself is wrong.
    """
    reader = csv.reader(StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _require_header(header)
        for row in reader:
            if not any(map(str.strip, row)):
                continue
            place = f"csv:{reader.line_num}"
            if len(row) > len(header):
                raise InvalidInput(Violation(place, f"`{len(row)}` fields are too many: expected {len(header)}"))
            yield _from_row(place, dict(zip(header, map(str.strip, row), strict=False)))
    except csv.Error as error:
        raise InvalidInput(Violation(f"csv:{reader.line_num}", f"not a table: {error}")) from error


def checked(invitee: Invitee) -> Invitee:
    """Return the invitee with addresses as they are stored.

    Raises:
        InvalidInput: an address or a name is not right; names every field.
    """
    phone = _FILLING.sub("", invitee.phone)
    phone = "+" + phone[2:] if phone.startswith("00") else phone
    made = replace(invitee, email=invitee.email.strip(), phone=phone, name=invitee.name.strip())
    if found := [*_faults(made)]:
        raise InvalidInput(*found)
    return made


def require_email(email: str, field: str) -> Iterator[Violation]:
    """Yield what is wrong with an e-mail address, nothing where there is none."""
    if email and not _EMAIL.fullmatch(email):
        yield Violation(field, f"`{email[:48]}` is no e-mail address: expected one such as `uma@acme.example`")


def require_phone(phone: str, field: str) -> Iterator[Violation]:
    """Yield what is wrong with a phone number, nothing where there is none."""
    if phone and not _PHONE.fullmatch(phone):
        yield Violation(
            field, f"`{phone[:48]}` is no mobile number: expected country and number, such as `+628123456789`"
        )


def _faults(invitee: Invitee) -> Iterator[Violation]:
    place = invitee.place
    if not (invitee.email or invitee.phone or invitee.account):
        yield Violation(place, "has no address: expected an e-mail, a mobile number or an account ID")
        return
    yield from require_email(invitee.email, f"{place}.email")
    yield from require_phone(invitee.phone, f"{place}.phone")
    if not _ID.fullmatch(invitee.member):
        message = (
            f"`{invitee.member[:48]}` is not right: expected 1 to 256 characters without control characters or `*`"
        )
        yield Violation(f"{place}.account", message)
    if _CONTROL.search(invitee.name) or len(invitee.name) > 256:  # noqa: PLR2004 - the limit of all names
        yield Violation(f"{place}.name", "is not right: expected up to 256 characters without control characters")


def _require_header(header: list[str]) -> None:
    if not header:
        raise InvalidInput(Violation("csv", f"is empty: expected a header of {', '.join(COLUMNS)}"))
    unknown = [name for name in header if name not in COLUMNS]
    if unknown:
        hint = near(unknown[0], COLUMNS, one_of(COLUMNS))
        raise InvalidInput(Violation("csv:1", f"unknown column `{unknown[0]}`: {hint}"))
    if len(set(header)) < len(header):
        raise InvalidInput(Violation("csv:1", "a column stands twice: expected each once"))


def _from_row(place: str, row: dict[str, str]) -> Invitee:
    return Invitee(
        place,
        email=row.get("email", ""),
        phone=row.get("phone", ""),
        account=row.get("account", ""),
        name=row.get("name", ""),
        roles=_names(row.get("roles", "")),
        groups=_names(row.get("groups", "")),
    )


def _names(cell: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in cell.split(";") if name.strip())
