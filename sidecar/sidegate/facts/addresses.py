"""E-mail addresses: the one form in which they are stored, and members who share one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Final

from sidegate.model.facts import Member

_LIMIT: Final = 20
"""How many shared addresses are named; those beyond are counted."""
_PLAIN_LOCAL: Final = re.compile(r"(?=.{1,64}$)[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_PLAIN_LENGTH: Final = 200
"""Longer addresses may be beyond a limit once their domain is encoded."""


def normalized_email(text: str) -> str | None:
    """Return an e-mail address with its domain in the one form of internationalised domains; None for no address.

    No name server is asked. A plain local part is already in its one form, so that only its domain is examined; a
    table of people has few domains.
    """
    local, _, domain = text.partition("@")
    if len(text) <= _PLAIN_LENGTH and _PLAIN_LOCAL.fullmatch(local):
        known = _normalized_domain(domain)
        return None if known is None else f"{local}@{known}"
    return _examined(text)


@lru_cache(maxsize=256)
def _normalized_domain(domain: str) -> str | None:
    found = _examined(f"a@{domain}")
    return None if found is None else found.partition("@")[2]


def _examined(text: str) -> str | None:
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
