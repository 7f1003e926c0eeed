"""E-mail addresses: the one form in which they are stored, and members who share one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from sidegate.model.facts import Member

_LIMIT: Final = 20
"""How many shared addresses are named; those beyond are counted."""


def normalized_email(text: str) -> str | None:
    """Return an e-mail address with its domain in the one form of internationalised domains; None for no address.

    No name server is asked.
    """
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 - few calls need it

    try:
        found = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return None
    return found.normalized if "." in found.domain else None


def shared_addresses(members: Iterable[Member]) -> Iterator[str]:
    """Yield a warning for each e-mail address that several members have, as ID or as e-mail, in whatever form.

    Older versions did not see that `ANN@x.example` and `ann@x.example` are one address.
    """
    found: dict[str, list[str]] = {}
    for member in members:
        for address in {_one_form(text) for text in (member.id, member.email) if "@" in text}:
            found.setdefault(address, []).append(member.id)
    shared = [ids for ids in found.values() if len(ids) > 1]
    for ids in islice(shared, _LIMIT):
        names = " and ".join(f"`{id_}`" for id_ in ids)
        yield f"members {names} have one e-mail address: expected one member, to whom the others hand over"
    if len(shared) > _LIMIT:
        yield f"{len(shared) - _LIMIT} more e-mail addresses belong to several members each"


def _one_form(address: str) -> str:
    """Return an address in lower case, its domain in one form."""
    plain = address.isascii() and "xn--" not in address.lower()
    return (address if plain else normalized_email(address) or address).lower()
