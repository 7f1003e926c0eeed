"""Roles that tenants make: their permissions, names and copies; built-in ones are protected (EL-01 to EL-05)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sidegate.errors import AlreadyExists, BuiltIn, InvalidInput, NotFound, SidegateError, Violation
from sidegate.facts.entry_fault import EntryFault
from sidegate.membership.command.call import Call
from sidegate.membership.command.context import CommandContext
from sidegate.membership.command.etags import etag_of, require_etag
from sidegate.membership.command.read import ReadRunner
from sidegate.membership.command.request_fields import FieldOf, item_of
from sidegate.membership.command.run import CommandRunner, Written
from sidegate.model.change import EntryKind
from sidegate.model.identifiers import refused_character
from sidegate.model.page import Relation
from sidegate.model.revision import NO_REVISION, Revision
from sidegate.policy.pack.schema import InstanceOf, Operation

MAX_TARGETS: Final = 100
_NAME = re.compile(r"(?!\s)[^*:,\x00-\x1f\x7f-\x9f]{1,64}(?<!\s)")


@dataclass(frozen=True, slots=True)
class RoleState:
    """A role as it is: `permissions` are pairs of type and action, sorted; none of a built-in one."""

    name: str
    permissions: tuple[tuple[str, str], ...] = ()
    built_in: bool = False
    etag: str = ""


@dataclass(frozen=True, slots=True)
class PermissionChange:
    """The permissions to add to a role and to remove; an empty `etag` requires nothing."""

    role: str
    added: Collection[tuple[str, str]] = ()
    removed: Collection[tuple[str, str]] = ()
    etag: str = ""


@dataclass(frozen=True, slots=True)
class CopyResult:
    """The result of one target of a copy: the revision that it made, or the error."""

    tenant: str
    revision: Revision = NO_REVISION
    failure: SidegateError | None = None


class Roles:
    """The use cases of roles."""

    def __init__(self, commands: CommandRunner, reads: ReadRunner) -> None:
        self._commands = commands
        self._reads = reads

    async def get(self, tenant: str, role: str, call: Call) -> RoleState:
        """Return a role, built in or not.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant, or no such role.
        """

        async def read(context: CommandContext) -> RoleState:
            await context.ask_about(Operation.GET_ROLE, {InstanceOf.ROLE: role})
            if role in context.schema.on_tenant:
                return RoleState(role, built_in=True)
            found = await context.draft.entry(EntryKind.ROLE, role)
            if found is None:
                raise NotFound(f"there is no role `{role}` in tenant `{tenant}`")
            return _state(role, found)

        return await self._reads.run(tenant, call, read)

    async def list(self, tenant: str, call: Call, *, after: str, limit: int) -> Sequence[RoleState]:
        """Return a page of the tenant's own roles, by name; the first page has the built-in ones before them.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant.
        """

        async def read(context: CommandContext) -> Sequence[RoleState]:
            await context.ask(Operation.LIST_ROLES)
            found = await context.draft.read(lambda store: store.page(tenant, EntryKind.ROLE, after=after, limit=limit))
            own = [_state(key[0], payload) for (_, key), payload in found.items()]
            return own if after else [*(RoleState(name, built_in=True) for name in context.schema.on_tenant), *own]

        return await self._reads.run(tenant, call, read)

    async def create(
        self, tenant: str, role: str, permissions: Collection[tuple[str, str]], call: Call
    ) -> Written[RoleState]:
        """Create a role (EL-01).

        Raises:
            NotPermitted: the pack denies it.
            AlreadyExists: there is a role of this name, built in or not.
            InvalidInput: the name or a permission is not right.
        """

        async def plan(context: CommandContext) -> RoleState:
            await context.ask(Operation.CREATE_ROLE)
            await _require_free(context, role, field="role_id")
            return _put(context, role, set(permissions))

        return await self._commands.run(
            tenant, call, plan=plan, field_of=_permissions_field([*permissions], otherwise="role_id")
        )

    async def change(self, tenant: str, change: PermissionChange, call: Call) -> Written[RoleState]:
        """Grant permissions to a role, and revoke them (EL-01).

        Raises:
            NotPermitted: the pack denies it.
            BuiltIn: the role is built in (EL-03).
            NotFound: there is no such role.
            StaleEtag: it was changed since its etag was read.
        """

        async def plan(context: CommandContext) -> RoleState:
            await context.ask(Operation.UPDATE_ROLE, change.role)
            payload = await _own(context, change.role)
            require_etag(change.etag, payload, name=change.role)
            return _put(context, change.role, ({*_pairs(payload)} | {*change.added}) - {*change.removed})

        return await self._commands.run(
            tenant, call, plan=plan, field_of=_permissions_field([*change.added], otherwise="name")
        )

    async def rename(self, tenant: str, role: str, new: str, call: Call) -> Written[RoleState]:
        """Rename a role; its holders hold it under the new name.

        Raises:
            NotPermitted: the pack denies it.
            BuiltIn: the role is built in (EL-03).
            AlreadyExists: there is a role of the new name.
        """

        async def plan(context: CommandContext) -> RoleState:
            await context.ask(Operation.UPDATE_ROLE, role)
            payload = await _own(context, role)
            await _require_free(context, new, field="new_role_id")
            state = _put(context, new, {*_pairs(payload)})
            for _, (_, scope, holder) in await context.draft.related(Relation.GRANTS_AS, role):
                context.draft.remove(EntryKind.GRANT, role, scope, holder)
                await context.draft.load([(EntryKind.GRANT, (new, scope, holder))])
                context.draft.put(EntryKind.GRANT, new, scope, holder, payload={})
            context.draft.remove(EntryKind.ROLE, role)
            return state

        return await self._commands.run(tenant, call, plan=plan, field_of=_rename_field)

    async def delete(self, tenant: str, role: str, call: Call) -> Written[int]:
        """Delete a role; the result is how many held it.

        Raises:
            NotPermitted: the pack denies it.
            BuiltIn: the role is built in (EL-03).
            NotFound: there is no such role.
        """

        async def plan(context: CommandContext) -> int:
            await context.ask(Operation.DELETE_ROLE, role)
            await _own(context, role)
            held = await context.draft.related(Relation.GRANTS_AS, role)
            for entity, key in held:
                context.draft.remove(entity, *key)
            context.draft.remove(EntryKind.ROLE, role)
            return len(held)

        return await self._commands.run(tenant, call, plan=plan)

    async def copy(
        self, tenant: str, role: str, targets: Sequence[str], call: Call, *, replacing: bool
    ) -> Sequence[CopyResult]:
        """Copy a role to other tenants, one after the other, with a result for each (EL-05).

        Raises:
            NotPermitted: the pack of this tenant denies it.
            BuiltIn: the role is built in.
            InvalidInput: there are too many targets.
        """
        if not 0 < len(targets) <= MAX_TARGETS or len(set(targets)) < len(targets):
            message = f"`{len(targets)}` targets: expected 1 to {MAX_TARGETS}, each once"
            raise InvalidInput(Violation("targets", message))
        source: dict[str, Any] = {}

        async def read(context: CommandContext) -> None:
            await context.ask(Operation.COPY_ROLE, role)
            source.update(await _own(context, role))

        await self._commands.run(tenant, replace(call, request_id=""), plan=read)
        return [await self._copy(target, role, source, call, replacing=replacing) for target in targets]

    async def _copy(
        self, target: str, role: str, source: Mapping[str, Any], call: Call, *, replacing: bool
    ) -> CopyResult:
        async def plan(context: CommandContext) -> None:
            await context.ask(Operation.COPY_ROLE, role)
            existing = await context.draft.entry(EntryKind.ROLE, role)
            if existing is None or not replacing:
                await _require_free(context, role, field="name")
            _put(context, role, {*_pairs(source)})

        try:
            written = await self._commands.run(target, call, plan=plan)
        except SidegateError as error:
            return CopyResult(target, failure=error)
        return CopyResult(target, written.revision)


async def _require_free(context: CommandContext, role: str, *, field: str) -> None:
    if not _NAME.fullmatch(role):
        message = f"`{role[:48]}` is not right: expected 1 to 64 characters without `:`, `,` and `*`"
        raise InvalidInput(Violation(field, message))
    if invisible := refused_character(role):
        raise InvalidInput(Violation(field, invisible))
    if role in context.schema.roles or await context.draft.entry(EntryKind.ROLE, role) is not None:
        raise AlreadyExists(f"there is a role `{role}` already")


async def _own(context: CommandContext, role: str) -> Mapping[str, Any]:
    """Return the payload of a role of the tenant's own."""
    if role in context.schema.roles:
        raise BuiltIn(f"role `{role}` is built into pack `{context.schema.name}`: it is neither changed nor copied")
    payload = await context.draft.entry(EntryKind.ROLE, role)
    if payload is None:
        raise NotFound(f"there is no role `{role}` in tenant `{context.tenant}`")
    return payload


def _put(context: CommandContext, role: str, pairs: set[tuple[str, str]]) -> RoleState:
    permissions: dict[str, Any] = {}
    for type_, action in sorted(pairs):
        permissions.setdefault(type_, []).append(action)
    payload = {"permissions": permissions}
    context.draft.put(EntryKind.ROLE, role, payload=payload)
    return _state(role, payload)


def _pairs(payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(type_, action) for type_, actions in payload["permissions"].items() for action in actions]


def _state(role: str, payload: Mapping[str, Any]) -> RoleState:
    return RoleState(role, tuple(sorted(_pairs(payload))), etag=etag_of(payload))


def _permissions_field(permissions: Sequence[tuple[str, str]], *, otherwise: str) -> FieldOf:
    """Return a function that names the given permission, or `otherwise` for stored ones."""

    def field_of(fault: EntryFault) -> str:
        _, type_, action = (*fault.detail, "", "", "")[:3]
        same = [pair for pair in permissions if pair[0] == type_ and action in ("", pair[1])]
        return (item_of("permissions", permissions, same[0]) if same else None) or otherwise

    return field_of


def _rename_field(fault: EntryFault) -> str:
    return "name" if fault.detail else "new_role_id"
