"""Facts that a pack allows, drawn at random: every role on every scope that it can be held on."""

from __future__ import annotations

from random import Random

from sidegate.facts.write import write_facts
from sidegate.model.facts import CustomRole, Grant, Group, Member, MemberStatus, StoredResource, TenantFacts
from sidegate.model.properties import Json
from sidegate.model.reference import ref
from sidegate.policy.pack.schema import TENANT, Count, HeldBy, InstanceOf, ResourceType, Role, Schema, Source

# In the order of their code points, in which neither languages nor UTF-16 put them; colons end no ID.
MEMBERS = ("Zoë", "ada", "e:v:e", "\ufb01n", "\U0001f98a")
GROUPS = ("G:2", "a", "é")
INSTANCES = ("1:1", "10", "B", "a", "\uff5e", "\U0001f4c4")


def drawn_facts(tenant: str, schema: Schema, random: Random) -> TenantFacts:
    """Draw a tenant."""
    statuses = random.choices([MemberStatus.ACTIVE, *MemberStatus], weights=[9, 1, 1, 1], k=len(MEMBERS))
    members = {
        id_: Member(id_, status, mfa=random.random() < 0.7, quota=random.choice([None, 0, 5]))
        for id_, status in zip(MEMBERS, statuses, strict=True)
    }
    # Groups belong to later ones only, so that none is inside itself.
    groups = {}
    for number, id_ in enumerate(GROUPS):
        inside = [*(ref("member", one) for one in MEMBERS), *(ref("group", one) for one in GROUPS[:number])]
        groups[id_] = Group(id_, members=frozenset(random.sample(inside, random.randrange(4))))
    roles, resources = _roles(schema, random), _resources(schema, random)
    return TenantFacts(
        tenant,
        schema.name,
        {name: random.random() < 0.3 for name, declared in schema.settings.items() if declared.type == "boolean"},
        members,
        groups,
        roles,
        resources,
        frozenset(_grants(tenant, schema, roles, resources, random=random)),
    )


def document_of(facts: TenantFacts) -> str:
    """Return facts as a document."""
    return write_facts([facts])


def _roles(schema: Schema, random: Random) -> dict[str, CustomRole]:
    if schema.custom_roles is None:
        return {}
    found = {}
    for name in ("Clerk", "Guest")[: random.randrange(3)]:
        types = random.sample(sorted(schema.custom_roles.types), min(2, len(schema.custom_roles.types)))
        actions = {type_: schema.resources[type_].actions for type_ in types}
        found[name] = CustomRole(
            name, {type_: frozenset(random.sample(these, (len(these) + 1) // 2)) for type_, these in actions.items()}
        )
    return found


def _resources(schema: Schema, random: Random) -> dict[str, StoredResource]:
    found: dict[str, StoredResource] = {}
    types = [type_ for type_ in schema.resources.values() if _registered(type_.name, schema)]
    for type_ in sorted(types, key=lambda one: len(schema.scopes_of(one.name))):
        for id_ in random.sample(INSTANCES, random.randrange(1, len(INSTANCES) + 1)):
            parents = []
            for above in sorted(type_.parents):
                known = _instances(above, schema, found)
                if known and random.random() < 0.9:
                    parents.append(random.choice(known))
            chosen = parents if random.random() < 0.5 else parents[:1]
            found[ref(type_.name, id_)] = StoredResource(type_.name, id_, frozenset(chosen), _properties(type_, random))
    return found


def _properties(type_: ResourceType, random: Random) -> dict[str, Json]:
    values: dict[str, list[Json]] = {"boolean": [False, True], "integer": [0, 1, 2], "string": ["draft", "sent"]}
    stored = [one for one in (type_.properties or {}).values() if one.source is Source.STORED and one.type in values]
    return {one.name: random.choice(values[one.type]) for one in stored if random.random() < 0.7}


def _grants(
    tenant: str,
    schema: Schema,
    own: dict[str, CustomRole],
    resources: dict[str, StoredResource],
    *,
    random: Random,
) -> set[Grant]:
    found: set[Grant] = set()
    given: dict[str, str] = {}
    people, groups = [ref("member", one) for one in MEMBERS], [ref("group", one) for one in GROUPS]
    roles = [role for role in schema.roles.values() if role.held_by is HeldBy.GRANT]
    for role in [*roles, *(Role(name, frozenset({TENANT})) for name in own)]:
        for type_ in sorted(role.on):
            scopes = [ref(TENANT, tenant)] if type_ == TENANT else _instances(type_, schema, resources)
            for scope in scopes:
                most = 1 if role.count is not Count.ANY else random.randrange(3)
                holders = people if role.count is not Count.ANY else [*people, *groups]
                for holder in random.sample(holders, most) if random.random() < 0.4 else ():
                    alone = schema.one_role_per_member and type_ == TENANT
                    if not alone or (holder.startswith("member:") and given.setdefault(holder, role.name) == role.name):
                        found.add(Grant(role.name, scope, holder))
    return found


def _registered(type_: str, schema: Schema) -> bool:
    return type_ != TENANT and schema.resources[type_].instances is InstanceOf.RESOURCES


def _instances(type_: str, schema: Schema, resources: dict[str, StoredResource]) -> list[str]:
    declared = schema.resources.get(type_)
    if declared is None or declared.instances is InstanceOf.RESOURCES:
        return sorted(name for name in resources if name.startswith(f"{type_}:"))
    names = {InstanceOf.MEMBER: MEMBERS, InstanceOf.GROUP: GROUPS}.get(declared.instances, ())
    return [ref(type_, id_) for id_ in names]
