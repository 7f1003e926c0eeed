"""Fills a database with companies of one shape: one by one through the store, or very many by SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sidegate.model.facts import Grant, Group, Member, MemberStatus, StoredResource, TenantFacts
from sidegate_adapters.sql import SqlFactsStore
from sidegate_adapters.sql.tables import metadata

MEMBERS = 100
"""Members of a company; it has a document for each, with four grants on it, and one grant on itself."""
GRANTS = 5
"""Grants for each member."""
_MADE_AT = "2024-01-01 00:00:00.000000"
_STEP = 100
_ZERO = 1_000_000
"""Added to every number, so that names are equally long."""


def tenant_id(number: int) -> str:
    """Return the ID of a company; equally long for all, so that they sort as they are numbered."""
    return f"t{number + _ZERO}"


def member_id(number: int) -> str:
    """Return the ID of a member, in each company the same."""
    return f"m{number + _ZERO}"


def company(tenant: str, members: int) -> TenantFacts:
    """Return a company: groups of ten; one owner, of twenty one admin; of fifty one invited and one inactive."""
    every = range(members)
    scope = f"tenant:{tenant}"
    grants = {Grant(_role(number), scope, _member(number)) for number in every}
    for number in every:
        document = f"document:{_document(number)}"
        grants.add(Grant("owner", document, _member(number)))
        grants.add(Grant("editor", document, _member((number + 1) % members)))
        grants.add(Grant("signer", document, _member((number + 2) % members)))
        grants.add(Grant("viewer", document, f"group:{_group(number // 10)}"))
    groups = {
        _group(first // 10): Group(
            _group(first // 10), members=frozenset(_member(n) for n in range(first, min(first + 10, members)))
        )
        for first in range(0, members, 10)
    }
    return TenantFacts(
        tenant,
        members={
            member_id(n): Member(member_id(n), _status(n), name=f"Person {n}", email=f"{member_id(n)}@{tenant}.example")
            for n in every
        },
        groups=groups,
        resources={f"document:{_document(n)}": StoredResource("document", _document(n)) for n in every},
        grants=frozenset(grants),
    )


async def fill(
    store: SqlFactsStore,
    first: int,
    last: int,
    *,
    members: int = MEMBERS,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Make the companies numbered from `first` to before `last` by SQL, with the history of their members alone.

    There must be no other writer meanwhile. `progress` is called with the number made.
    """
    for start in range(first, last, _STEP):
        end = min(start + _STEP, last)
        async with store._writers.begin() as connection:
            if connection.dialect.name == "postgresql":
                # Each row refers to one that is made here: checking each reference takes longer than everything else.
                await connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            head = (await connection.exec_driver_sql("SELECT head FROM feed")).scalar_one()
            for statement in _statements(range(start, end), members, head=head, dialect=connection.dialect.name):
                await connection.exec_driver_sql(statement)
        progress(end - first)


async def analyze(store: SqlFactsStore) -> None:
    """Let the database count what it holds, as PostgreSQL does by itself where it is left running."""
    async with store._writers.connect() as connection:
        for table in metadata.tables:  # one by one, since the store gives a statement seconds only
            await connection.exec_driver_sql(f"ANALYZE {table}")
            await connection.commit()


def _member(number: int) -> str:
    return f"member:{member_id(number)}"


def _group(number: int) -> str:
    return f"g{number + _ZERO}"


def _document(number: int) -> str:
    return f"d{number + _ZERO}"


def _role(number: int) -> str:
    return "owner" if number == 0 else "admin" if number % 20 == 1 else "member"


def _status(number: int) -> MemberStatus:
    return {2: MemberStatus.PENDING, 3: MemberStatus.INACTIVE}.get(number % 50, MemberStatus.ACTIVE)


def _statements(numbers: range, members: int, *, head: int, dialect: str) -> Iterator[str]:
    """Yield the SQL that makes the companies, which both databases understand, but for what is JSON."""
    people = _PEOPLE.format(first=numbers.start, last=numbers.stop, members=members, zero=_ZERO)
    json = "CAST({} AS JSON)" if dialect == "postgresql" else "{}"
    names = {
        "at": f"'{_MADE_AT}'",
        "seated": sum(_status(number) is not MemberStatus.INACTIVE for number in range(members)),
        "sequence": f"{head + 1} + (n - {numbers.start}) * {members + 1}",
        "text": "lower(id || '\n' || name || '\n' || email || '\n')",
        "payload": json.format(_PAYLOAD),
        "founded": json.format(_FOUNDED),
    }
    for table, selected in _ROWS:
        yield f"WITH RECURSIVE {people} INSERT INTO {table} SELECT {selected.format(**names)}"
    yield f"UPDATE feed SET head = {head + len(numbers) * (members + 1)}, at = '{_MADE_AT}'"


_PEOPLE = """
company(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM company WHERE n + 1 < {last}),
companies AS (SELECT n, 't' || CAST(n + {zero} AS TEXT) AS tenant FROM company),
member(m) AS (SELECT 0 UNION ALL SELECT m + 1 FROM member WHERE m + 1 < {members}),
people AS (
  SELECT n, tenant, m, 'm' || CAST(m + {zero} AS TEXT) AS id, 'Person ' || CAST(m AS TEXT) AS name,
    'm' || CAST(m + {zero} AS TEXT) || '@' || tenant || '.example' AS email,
    CASE m % 50 WHEN 2 THEN 'pending' WHEN 3 THEN 'inactive' ELSE 'active' END AS status,
    CASE WHEN m = 0 THEN 'owner' WHEN m % 20 = 1 THEN 'admin' ELSE 'member' END AS role,
    'm' || CAST((m + 1) % {members} + {zero} AS TEXT) AS one, 'm' || CAST((m + 2) % {members} + {zero} AS TEXT) AS two,
    'g' || CAST(m / 10 + {zero} AS TEXT) AS team, 'd' || CAST(m + {zero} AS TEXT) AS document
  FROM companies CROSS JOIN member
)
"""
_PAYLOAD = (
    """'{"status":"' || status || '","name":"' || name || '","email":"' || email || '","mfa":false,"quota":null}'"""
)
_FOUNDED = """'{"pack":"","settings":{}}'"""
_GRANTS = "grants (tenant, scope_type, scope_id, role, holder_type, holder_id)"
_CHANGES = "changes (sequence, tenant, revision, position, entity, key, after, actor, at)"
_SUBJECTS = "change_subjects (tenant, subject, sequence)"
_ROWS = (
    (
        "tenants (id, pack, settings, revision, created_at, seats)",
        "tenant, '', '{{}}', 1, {at}, {seated} FROM companies",
    ),
    (
        "members (tenant, id, status, name, email, mfa, created_at, phone, email_key, text_key)",
        "tenant, id, status, name, email, 1 = 0, {at}, '', email, {text} FROM people",
    ),
    ("groups (tenant, id, name)", "tenant, team, '' FROM people WHERE m % 10 = 0"),
    ("group_members (tenant, group_id, holder_type, holder_id)", "tenant, team, 'member', id FROM people"),
    ("resources (tenant, type, id, properties)", "tenant, 'document', document, '{{}}' FROM people"),
    (_GRANTS, "tenant, 'tenant', tenant, role, 'member', id FROM people"),
    (_GRANTS, "tenant, 'document', document, 'owner', 'member', id FROM people"),
    (_GRANTS, "tenant, 'document', document, 'editor', 'member', one FROM people"),
    (_GRANTS, "tenant, 'document', document, 'signer', 'member', two FROM people"),
    (_GRANTS, "tenant, 'document', document, 'viewer', 'group', team FROM people"),
    (
        _CHANGES,
        "{sequence}, tenant, 1, 0, 'tenant', '[]', {founded}, 'platform', {at} FROM companies",
    ),
    (_SUBJECTS, "tenant, 'tenant:' || tenant, {sequence} FROM companies"),
    (
        _CHANGES,
        "{sequence} + m + 1, tenant, 1, m + 1, 'member', '[\"' || id || '\"]', {payload}, 'platform', {at} FROM people",
    ),
    (_SUBJECTS, "tenant, 'member:' || id, {sequence} + m + 1 FROM people"),
)
