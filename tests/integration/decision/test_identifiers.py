"""Identifiers with characters that nobody sees are refused, through the running service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from sidegate.authz.v1 import role_pb2
from support.servers.companies import Company, refused

INVISIBLE = {
    "\u202e": "U+202E RIGHT-TO-LEFT OVERRIDE",
    "\u200b": "U+200B ZERO WIDTH SPACE",
    "\ufeff": "U+FEFF ZERO WIDTH NO-BREAK SPACE",
}


@pytest.mark.parametrize("character", INVISIBLE)
async def test_questions_and_writes_name_the_code_point(
    found: Callable[..., Awaitable[Company]], character: str
) -> None:
    """A Check is refused for such a subject, a grant for such a holder, and a document for such a new member."""
    company = await found("standard")
    id_ = f"u{character}ma"

    error = await refused(company.check(id_, "view", "document:d1"), "INVALID_INPUT")
    assert INVISIBLE[character] in error.violations["subject.id"]

    grant = role_pb2.Grant(role="member", scope="tenant", holder=f"member:{id_}")
    request = role_pb2.GrantRoleRequest(parent=company.parent, grant=grant)
    error = await refused(company.roles.GrantRole(request), "INVALID_INPUT")
    assert INVISIBLE[character] in error.violations["grant.holder"]

    document = f'tenants: {{TENANT: {{pack: standard, members: {{"u\\u{ord(character):04x}ma": {{}}}}}}}}'
    error = await refused(company.apply(document), "FACTS_FAULTY")
    assert INVISIBLE[character] in str(error.violations)
    assert character not in str(error)


async def test_ids_that_differ_in_case_are_different(found: Callable[..., Awaitable[Company]]) -> None:
    """CVE-2026-55170: a database that ignores case took one ID for another. Here each has its own rights."""
    company = await found("standard")
    await company.apply("""\
tenants:
  TENANT:
    pack: standard
    members: {ann: {roles: [owner]}, uma: {}, Uma: {}, UMA: {}, stra\u00dfe: {}, strasse: {}}
    resources: {"document:d1": {owner: Uma}, "document:D1": {owner: stra\u00dfe}}
""")
    holders = {"document:d1": "Uma", "document:D1": "stra\u00dfe"}
    for resource, holder in holders.items():
        for member in ("uma", "Uma", "UMA", "strasse", "stra\u00dfe"):
            allowed, _ = await company.check(member, "view", resource)
            assert allowed is (member == holder), (member, resource)
    assert not (await company.check("ANN", "view", "document:d1"))[0]
