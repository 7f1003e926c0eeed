"""Resource names of the wire contract, such as `tenants/acme/members/uma`."""

from __future__ import annotations

from urllib.parse import unquote

from sidegate.errors import InvalidInput, Violation
from sidegate.server.wire.validation import Inspection, quoted

TENANTS = "tenants"
MEMBERS = "members"
ROLES = "roles"
GROUPS = "groups"
RESOURCES = "resources"


def name_of(tenant: str, collection: str = "", id_: str = "") -> str:
    """Return the name of a tenant, or of a thing in it; `/` and `%` in IDs are percent-encoded."""
    whole = f"{TENANTS}/{_encoded(tenant)}"
    return f"{whole}/{collection}/{_encoded(id_)}" if collection else whole


def tenant_of(name: str, field: str, *, stored: bool = False) -> str:
    """Return the tenant that a name names; `stored` as in `Inspection.identifier`.

    Raises:
        InvalidInput: it is no name of a tenant.
    """
    first, _, tenant = name.partition("/")
    if first != TENANTS or "/" in tenant or not tenant:
        raise InvalidInput(Violation(field, f"{quoted(name)} is no tenant: expected `tenants/` and an ID"))
    return _decoded(tenant, field, stored=stored)


def tenant_in(name: str, field: str) -> str:
    """Return the tenant of a name, of the tenant or of anything in it, as `tenant_of` and `ids_of` do.

    Raises:
        InvalidInput: it is no such name.
    """
    first, _, rest = name.partition("/")
    tenant = rest.partition("/")[0]
    if first != TENANTS or not tenant:
        raise InvalidInput(Violation(field, f"{quoted(name)} is not right: expected a name that begins `tenants/`"))
    return _decoded(tenant, field, stored=True)


def ids_of(name: str, collection: str, field: str, *, stored: bool = False) -> tuple[str, str]:
    """Return the tenant and the ID that a name names in a collection; `stored` as in `Inspection.identifier`.

    Raises:
        InvalidInput: it is no name of this collection.
    """
    match name.split("/"):
        case ["tenants", tenant, found, id_] if found == collection and tenant and id_:
            return _decoded(tenant, field, stored=stored), _decoded(id_, field, stored=stored)
        case _:
            expected = f"expected `tenants/<tenant>/{collection}/<id>`"
            raise InvalidInput(Violation(field, f"{quoted(name)} is not right: {expected}"))


def _encoded(id_: str) -> str:
    return id_.replace("%", "%25").replace("/", "%2F")


def _decoded(part: str, field: str, *, stored: bool) -> str:
    id_ = unquote(part)
    inspection = Inspection()
    inspection.identifier(field, id_, stored=stored)
    inspection.finish()
    return id_
