"""Requests of every method, made from their descriptors: plausible, hostile, or broken in their bytes."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from sidegate.authz.v1 import authorization_pb2
from sidegate.server.grpc.services import SERVICES

HOSTILE: Final = (
    "",
    " ",
    "*",
    "-",
    "..",
    "a" * 300,
    "é" * 200,
    "line\nbreak",
    "\x1b[31mred",
    "\u202eabc",
    "\ufeff",
    "\x00",
    "tenants/",
    "tenants/acme/members/",
    "tenants/-",
    "tenants/acme/members/uma/roles/owner",
    "tenants//members/uma",
    "member:",
    ":uma",
    "member:*",
    "%2e%2e",
    "'; drop table members;--",
    "${jndi:ldap://x}",
    "9" * 40,
    "1e999",
    "nan",
    "2026-02-30T00:00:00Z",
    "AAAA.BBBB",
    "\U0001f600" * 40,
    "ﬀ\u0301",
)
"""Texts for any field."""
_TENANTS: Final = ("acme", "acme", "acme", "globex", "nowhere")
_MEMBERS: Final = ("ann", "uma", "pia", "ina", "nobody")
_PLAUSIBLE: Final[dict[str, tuple[str, ...]]] = {
    "tenant": _TENANTS,
    "tenants": _TENANTS,
    "tenant_id": (*_TENANTS, "fresh"),
    "id": (*_MEMBERS, "d1", "t1", "d1", "*"),
    "type": ("member", "document", "template"),
    "action": ("view", "edit", "send", "update", "delete", "open", "register"),
    "actor": ("", "", "platform", "member:ann", "member:uma"),
    "requester": ("", "platform", "member:ann", "member:uma"),
    "role": ("owner", "admin", "member", "viewer", "clerk", "owner@tenant"),
    "roles": ("admin", "member", "viewer@document:d1", "clerk"),
    "role_id": ("clerk", "helper"),
    "new_role_id": ("clerk", "helper"),
    "permissions": ("document:view", "template:*", "document:edit"),
    "scope": ("tenant", "document:d1", "template:t1"),
    "holder": ("member:uma", "member:pia", "group:sales"),
    "to": ("member:uma", "uma", "member:pia"),
    "from": ("member:uma", "uma", "member:ann"),
    "transfer_to": ("member:uma", "uma"),
    "member": (*_MEMBERS, "member:uma"),
    "members": (*_MEMBERS, "member:uma"),
    "member_id": ("ina", "uma"),
    "group": ("sales", "group:sales"),
    "groups": ("sales",),
    "group_id": ("sales", "legal"),
    "resource": ("document:d1", "template:t1"),
    "resources": ("document:d1", "template:t1"),
    "parents": ("template:t1", "tenant"),
    "owner": ("member:ann", "member:uma"),
    "clone_id": ("t2",),
    "kind": ("member", "grant", "role", "resource", "tenant"),
    "inside": ("template:t1",),
    "request_id": ("", "r1"),
    "etag": ("",),
    "pack": ("standard", ""),
    "state": ("active",),
    "paths": ("display_name", "roles", "quota", "properties", "parents", "settings", "owner", "name"),
    "email": ("uma@acme.example",),
    "phone": ("+82 10 1234 5678",),
    "addresses": ("ina@acme.example; ina2@acme.example",),
    "csv": ("account,name,roles\nina,Ina,member\n",),
    "document": ("tenants:\n  globex:\n    members: {gus: {roles: [owner]}}\n", "{}"),
    "display_name": ("Uma",),
    "account": ("ina",),
    "signed_in_account": ("ina", "uma"),
}
_NEEDED: Final = frozenset(
    [
        "parent",
        "name",
        "tenant",
        "tenant_id",
        "subject",
        "resource",
        "action",
        "id",
        "type",
        "member",
        "grant",
        "role",
        "scope",
        "holder",
        "checks",
        "to",
        "from",
        "role_id",
        "group_id",
        "clone_id",
        "document",
        "update_mask",
        "paths",
        "display_name",
        "members",
        "total",
        "quota",
        "amount",
        "permissions",
        "targets",
        "new_role_id",
        "fields",
    ]
)
"""Fields that most calls need."""
_TAILS: Final[dict[str, tuple[str, ...]]] = {
    "Role": ("roles/clerk", "roles/owner"),
    "Permissions": ("roles/clerk",),
    "Group": ("groups/sales",),
    "Resource": ("resources/document:d1", "resources/template:t1"),
    "Relations": ("resources/document:d1",),
    "Tenant": ("",),
    "": ("members/uma", "members/pia", "members/ina"),
}
"""What names end with, by a part of the message's name."""
_NUMBERS: Final = (1, 2, 7, 100)
_ODD_NUMBERS: Final = (0, -1, 1_000_000, -(2**31), 2**31 - 1)
_LARGE: Final = (2**53, 2**63 - 1, -(2**63), 10**12)


def methods() -> dict[str, Any]:
    """Return the descriptor of each method by its path, such as `/sidegate.authz.v1.RoleService/GetRole`."""
    pool = authorization_pb2.DESCRIPTOR.pool
    return {
        f"/{service}/{method.name}": method
        for service in SERVICES
        for method in pool.FindServiceByName(service).methods
    }


def any_message(descriptor: Descriptor, random: Random, *, hostility: float) -> Any:
    """Return a message with plausible content; a share of its values, `hostility`, is hostile instead."""
    message = GetMessageClass(descriptor)()
    chosen: dict[str, FieldDescriptor] = {}
    for field in descriptor.fields:
        group = field.containing_oneof.name if field.containing_oneof else field.name
        if group not in chosen or random.random() < 0.5:
            chosen[group] = field
    for field in chosen.values():
        likely = 0.9 if field.name in _NEEDED else 0.4
        if random.random() < likely:
            _fill(message, field, random, hostility)
    return message


def mutated(raw: bytes, random: Random, most: int = 4) -> bytes:
    """Return the bytes with up to `most` changes: flipped, inserted, removed or repeated bytes, or a cut end."""
    changed = bytearray(raw)
    for _ in range(random.randint(1, most)):
        at = random.randint(0, len(changed))
        width = random.randint(1, 8)
        random.choice(_MUTATIONS)(changed, at, width, random)
    return bytes(changed)


def _flip(changed: bytearray, at: int, _width: int, random: Random) -> None:
    if at < len(changed):
        changed[at] ^= 1 << random.randrange(8)


def _insert(changed: bytearray, at: int, width: int, random: Random) -> None:
    changed[at:at] = random.randbytes(width)


def _remove(changed: bytearray, at: int, width: int, _random: Random) -> None:
    del changed[at : at + width]


def _repeat(changed: bytearray, at: int, width: int, random: Random) -> None:
    changed[at:at] = changed[at : at + width] * random.randint(1, 20)


def _cut(changed: bytearray, at: int, _width: int, _random: Random) -> None:
    del changed[at:]


def _join(changed: bytearray, _at: int, _width: int, _random: Random) -> None:
    """Send the message twice in one: later fields replace earlier ones, and parts are merged."""
    changed.extend(changed[:2000])


_MUTATIONS: Final[tuple[Callable[[bytearray, int, int, Random], None], ...]] = (
    _flip,
    _insert,
    _remove,
    _repeat,
    _cut,
    _join,
)


def _fill(message: Any, field: FieldDescriptor, random: Random, hostility: float) -> None:
    if field.is_repeated:
        for _ in range(random.choice((1, 1, 2, 3))):
            if field.message_type:
                getattr(message, field.name).append(_part(field, random, hostility))
            else:
                getattr(message, field.name).append(_scalar(message, field, random, hostility))
    elif field.message_type:
        getattr(message, field.name).CopyFrom(_part(field, random, hostility))
    else:
        setattr(message, field.name, _scalar(message, field, random, hostility))


def _part(field: FieldDescriptor, random: Random, hostility: float) -> Any:
    match field.message_type.full_name:
        case "google.protobuf.Struct":
            return _struct(random, depth=0 if random.random() > hostility else 5)
        case "google.protobuf.Timestamp":
            if random.random() >= hostility:
                return Timestamp(seconds=random.choice((0, 1_790_000_000)), nanos=random.choice((0, 5)))
            return Timestamp(seconds=random.choice((0, *_LARGE)), nanos=random.choice((0, -1, 2**31 - 1)))
        case "google.protobuf.Duration":
            if random.random() >= hostility:
                return Duration(seconds=60)
            return Duration(seconds=random.choice((0, -1, *_LARGE)), nanos=random.choice((0, 5, -(2**31))))
        case "sidegate.authz.v1.Invitation":
            hostility = 1.0
    return any_message(field.message_type, random, hostility=hostility)


def _scalar(message: Any, field: FieldDescriptor, random: Random, hostility: float) -> Any:
    kind = field.cpp_type
    hostile = random.random() < hostility
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return random.random() < 0.3
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return random.choice((99, -1)) if hostile else random.randrange(3)
    if kind == FieldDescriptor.CPPTYPE_INT32:
        return random.choice(_ODD_NUMBERS if hostile else _NUMBERS)
    if kind == FieldDescriptor.CPPTYPE_INT64:
        return random.choice((*_ODD_NUMBERS, *_LARGE) if hostile else _NUMBERS)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return random.randbytes(random.randint(0, 40))
    if hostile:
        return random.choice(HOSTILE)
    return _plausible(message.DESCRIPTOR.name, field.name, random)


def _plausible(message: str, field: str, random: Random) -> str:
    if field in ("name", "parent", "targets"):
        tails = next(tails for part, tails in _TAILS.items() if part in message) if field == "name" else ("",)
        return "/".join(filter(None, ("tenants", random.choice(_TENANTS), random.choice(tails))))
    return random.choice(_PLAUSIBLE.get(field, ("",)))


def _struct(random: Random, depth: int) -> Struct:
    keys = ("mfa", "status", "require_mfa", "seats", "quota", "ip", *(HOSTILE if depth else ()))
    return Struct(fields={random.choice(keys): _value(random, depth) for _ in range(random.randint(0, 3))})


def _value(random: Random, depth: int) -> Value:
    kind = random.randrange(7 if depth else 5)
    numbers = (0.0, -0.0, 1.0, float("nan"), float("inf"), 1e308, 2.0**53 + 2)
    return (
        Value,
        lambda: Value(null_value=0),
        lambda: Value(bool_value=random.random() < 0.5),
        lambda: Value(number_value=random.choice(numbers)),
        lambda: Value(string_value=random.choice(HOSTILE)),
        lambda: Value(struct_value=_struct(random, depth - 1)),
        lambda: Value(list_value=ListValue(values=[_value(random, depth - 1) for _ in range(random.randint(0, 3))])),
    )[kind]()
