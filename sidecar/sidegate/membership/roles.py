"""Roles that tenants make: their permissions, names and copies; built-in ones are protected (EL-01 to EL-05)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sidegate.errors import AlreadyExists, BuiltIn, InvalidInput, NotFound, SidegateError, Violation
from sidegate.membership.command.etags import etag_of, require_fresh
from sidegate.membership.command.read import ReadRunner
from sidegate.membership.command.run import CommandRunner, Written
from sidegate.membership.command.step import Caller, CommandContext
from sidegate.model.change import EntryKind
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
    """What to add to a role and what to take away; an empty `etag` asks for nothing."""

    role: str
    added: Collection[tuple[str, str]] = ()
    removed: Collection[tuple[str, str]] = ()
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of one target of a copy: the revision it made, or the failure."""

    tenant: str
    revision: Revision = NO_REVISION
    failure: SidegateError | None = None


class Roles:
    """The use cases of roles."""

    def __init__(self, commander: CommandRunner, reader: ReadRunner) -> None:
        self._commander = commander
        self._reader = reader

    async def get(self, tenant: str, role: str, caller: Caller) -> RoleState:
        """Return a role, built in or not.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant, or no such role.
        """

        async def look(step: CommandContext) -> RoleState:
            await step.ask_about(Operation.GET_ROLE, {InstanceOf.ROLE: role})
            if role in step.schema.on_tenant:
                return RoleState(role, built_in=True)
            found = await step.draft.entry(EntryKind.ROLE, role)
            if found is None:
                raise NotFound(f"there is no role `{role}` in tenant `{tenant}`")
            return _state(role, found)

        return await self._reader.read(tenant, caller, look)

    async def list(self, tenant: str, caller: Caller, *, after: str, limit: int) -> Sequence[RoleState]:
        """Return a page of the tenant's own roles, by name; the first page has the built-in ones before them.

        Raises:
            NotPermitted: the pack denies it.
            NotFound: there is no such tenant.
        """

        async def look(step: CommandContext) -> Sequence[RoleState]:
            await step.ask(Operation.LIST_ROLES)
            found = await step.draft.read(lambda store: store.page(tenant, EntryKind.ROLE, after=after, limit=limit))
            own = [_state(key[0], payload) for (_, key), payload in found.items()]
            return own if after else [*(RoleState(name, built_in=True) for name in step.schema.on_tenant), *own]

        return await self._reader.read(tenant, caller, look)

    async def create(
        self,
        tenant: str,
        role: str,
        permissions: Collection[tuple[str, str]],
        caller: Caller,
        respond: Callable[[RoleState], bytes],
    ) -> Written:
        """Make a role (EL-01).

        Raises:
            NotPermitted: the pack denies it.
            AlreadyExists: there is a role of this name, built in or not.
            InvalidInput: the name or a permission is not right.
        """

        async def plan(step: CommandContext) -> RoleState:
            await step.ask(Operation.CREATE_ROLE)
            await _require_free(step, role, field="role_id")
            return _put(step, role, set(permissions))

        return await self._commander.perform(tenant, caller, plan=plan, respond=respond)

    async def change(
        self, tenant: str, change: PermissionChange, caller: Caller, respond: Callable[[RoleState], bytes]
    ) -> Written:
        """Grant permissions to a role, and revoke them (EL-01).

        Raises:
            NotPermitted: the pack denies it.
            BuiltIn: the role is built in (EL-03).
            NotFound: there is no such role.
            StaleEtag: it was altered since its etag was read.
        """

        async def plan(step: CommandContext) -> RoleState:
            await step.ask(Operation.UPDATE_ROLE, change.role)
            payload = await _own(step, change.role)
            require_fresh(change.etag, payload, name=change.role)
            return _put(step, change.role, ({*_pairs(payload)} | {*change.added}) - {*change.removed})

        return await self._commander.perform(tenant, caller, plan=plan, respond=respond)

    async def rename(
        self, tenant: str, role: str, new: str, caller: Caller, respond: Callable[[RoleState], bytes]
    ) -> Written:
        """Give a role another name; who holds it goes on holding it.

        Raises:
            NotPermitted: the pack denies it.
            BuiltIn: the role is built in (EL-03).
            AlreadyExists: there is a role of the new name.
        """

        async def plan(step: CommandContext) -> RoleState:
            await step.ask(Operation.UPDATE_ROLE, role)
            payload = await _own(step, role)
            await _require_free(step, new, field="new_role_id")
            state = _put(step, new, {*_pairs(payload)})
            for _, (_, scope, holder) in await step.draft.related(Relation.GRANTS_AS, role):
                step.draft.remove(EntryKind.GRANT, role, scope, holder)
                await step.draft.load([(EntryKind.GRANT, (new, scope, holder))])
                step.draft.put(EntryKind.GRANT, new, scope, holder, payload={})
            step.draft.remove(EntryKind.ROLE, role)
            return state

        return await self._commander.perform(tenant, caller, plan=plan, respond=respond)

    async def delete(self, tenant: str, role: str, caller: Caller, respond: Callable[[int], bytes]) -> Written:
        """Delete a role; the answer is how many held it.

        Raises:
            NotPermitted: the pack denies it.
            BuiltIn: the role is built in (EL-03).
            NotFound: there is no such role.
        """

        async def plan(step: CommandContext) -> int:
            await step.ask(Operation.DELETE_ROLE, role)
            await _own(step, role)
            held = await step.draft.related(Relation.GRANTS_AS, role)
            for entity, key in held:
                step.draft.remove(entity, *key)
            step.draft.remove(EntryKind.ROLE, role)
            return len(held)

        return await self._commander.perform(tenant, caller, plan=plan, respond=respond)

    async def copy(
        self, tenant: str, role: str, targets: Sequence[str], caller: Caller, *, replacing: bool
    ) -> Sequence[Copied]:
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

        async def read(step: CommandContext) -> None:
            await step.ask(Operation.COPY_ROLE, role)
            source.update(await _own(step, role))

        await self._commander.perform(tenant, replace(caller, request_id=""), plan=read, respond=lambda _: b"")
        return [await self._copy(target, role, source, caller, replacing=replacing) for target in targets]

    async def _copy(
        self, target: str, role: str, source: Mapping[str, Any], caller: Caller, *, replacing: bool
    ) -> Copied:
        async def plan(step: CommandContext) -> None:
            await step.ask(Operation.COPY_ROLE, role)
            there = await step.draft.entry(EntryKind.ROLE, role)
            if there is None or not replacing:
                await _require_free(step, role, field="name")
            _put(step, role, {*_pairs(source)})

        try:
            written = await self._commander.perform(target, caller, plan=plan, respond=lambda _: b"")
        except SidegateError as error:
            return Copied(target, failure=error)
        return Copied(target, written.revision)


async def _require_free(step: CommandContext, role: str, *, field: str) -> None:
    if not _NAME.fullmatch(role):
        message = f"`{role[:48]}` is not right: expected 1 to 64 characters without `:`, `,` and `*`"
        raise InvalidInput(Violation(field, message))
    if role in step.schema.roles or await step.draft.entry(EntryKind.ROLE, role) is not None:
        raise AlreadyExists(f"there is a role `{role}` already")


async def _own(step: CommandContext, role: str) -> Mapping[str, Any]:
    """Return the payload of a role of the tenant's own."""
    if role in step.schema.roles:
        raise BuiltIn(f"role `{role}` is built into pack `{step.schema.name}`: it is neither changed nor copied")
    payload = await step.draft.entry(EntryKind.ROLE, role)
    if payload is None:
        raise NotFound(f"there is no role `{role}` in tenant `{step.tenant}`")
    return payload


def _put(step: CommandContext, role: str, pairs: set[tuple[str, str]]) -> RoleState:
    permissions: dict[str, Any] = {}
    for type_, action in sorted(pairs):
        permissions.setdefault(type_, []).append(action)
    payload = {"permissions": permissions}
    step.draft.put(EntryKind.ROLE, role, payload=payload)
    return _state(role, payload)


def _pairs(payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(type_, action) for type_, actions in payload["permissions"].items() for action in actions]


def _state(role: str, payload: Mapping[str, Any]) -> RoleState:
    return RoleState(role, tuple(sorted(_pairs(payload))), etag=etag_of(payload))
