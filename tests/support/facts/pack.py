"""The schema of a made-up pack with every rule about facts."""

from sidegate.policy.pack.schema import (
    Count,
    CustomRoles,
    HeldBy,
    InstanceOf,
    Property,
    ResourceType,
    Role,
    Schema,
    Source,
)


def _properties(source: Source, **types: str) -> dict[str, Property]:
    return {name: Property(name, type_, source, None) for name, type_ in types.items()}


def _role(name: str, *on: str, count: Count = Count.ANY, held_by: HeldBy = HeldBy.GRANT) -> Role:
    return Role(name, frozenset(on), count, held_by)


_ROLES = (
    _role("chief", "tenant", count=Count.EXACTLY_ONE),
    _role("deputy", "tenant", count=Count.AT_MOST_ONE),
    _role("admin", "tenant"),
    _role("owner", "template", "document", count=Count.EXACTLY_ONE),
    _role("template_user", "template"),
    _role("steward", "group", "role", "workspace"),
    _role("group_member", "group", held_by=HeldBy.GROUP),
    _role("self", "workspace", "tenant", count=Count.EXACTLY_ONE, held_by=HeldBy.MEMBER),
)
_TYPES = (
    ResourceType("member", ("invite", "list"), instances=InstanceOf.MEMBER),
    ResourceType("group", ("create", "manage"), instances=InstanceOf.GROUP),
    ResourceType("role", ("create",), instances=InstanceOf.ROLE),
    ResourceType("workspace", ("open",), instances=InstanceOf.MEMBER),
    ResourceType("template", ("register", "clone")),
    ResourceType("folder", ("open",), parents=frozenset({"folder"})),
    ResourceType(
        "document",
        ("view", "edit"),
        parents=frozenset({"template", "workspace", "group", "folder"}),
        properties={
            **_properties(Source.STORED, status="string", pages="integer", share="number", draft="boolean"),
            **_properties(Source.STORED, tags="list"),
            **_properties(Source.REQUEST, ip="string"),
        },
    ),
)


def facts_schema(name: str = "paper", *, custom_roles: bool = True, one_role_per_member: bool = False) -> Schema:
    """Return the schema, with or without custom roles and several roles a member."""
    return Schema(
        name=name,
        description="A pack for tests.",
        settings=_properties(Source.STORED, require_mfa="boolean", seats="integer"),
        member={},
        context={},
        roles={role.name: role for role in _ROLES},
        custom_roles=CustomRoles("T-01", frozenset({"document", "template"})) if custom_roles else None,
        one_role_per_member=one_role_per_member,
        resources={type_.name: type_ for type_ in _TYPES},
        rules={},
    )
