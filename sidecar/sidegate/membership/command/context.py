"""What a command works on: its actor, its draft, and questions to the tenant's pack about what the actor may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal

from sidegate.errors import NotFound, NotPermitted, RevisionConflict
from sidegate.membership.command.call import Call
from sidegate.membership.command.draft import Draft
from sidegate.model.page import Relation
from sidegate.model.question import Request, Resource, Subject
from sidegate.model.reference import ANY, ref, split_ref
from sidegate.model.revision import NO_REVISION
from sidegate.policy.pack.schema import TENANT, InstanceOf, Operation, Schema
from sidegate.ports.decider import Decider

NO_AUTHORITY: Final = "no_authority"
"""The reason when the actor may grant roles, but not this one."""


class CommandContext:
    """What a plan works on: it asks whether the actor may act, then reads and drafts in `draft`."""

    def __init__(self, draft: Draft, call: Call, schema: Callable[[], Schema], decider: Decider) -> None:
        self.draft = draft
        self.call = call
        self._schema = schema
        self._decider = decider
        self._allowed: set[tuple[Operation, str]] = set()
        self._held: frozenset[str] | None = None

    def __repr__(self) -> str:
        return f"CommandContext({self.call.actor!r} in {self.draft!r})"

    @property
    def tenant(self) -> str:
        """The tenant's ID."""
        return self.draft.tenant

    @property
    def scope(self) -> str:
        """The tenant's reference, on which roles on the tenant are held."""
        return ref(TENANT, self.draft.tenant)

    @property
    def schema(self) -> Schema:
        """The schema of the tenant's pack.

        Raises:
            NotFound: there is no such tenant.
            Unavailable: the pack is not loaded here.
        """
        self._require_tenant()
        return self._schema()

    async def ask(self, operation: Operation, id_: str = ANY) -> None:
        """Require that the actor may do an operation to the thing with this ID.

        Raises:
            NotPermitted: the pack denies it, or leaves the operation to the platform.
            NotFound: there is no such tenant.
        """
        self._require_tenant()
        if self.call.is_platform or (operation, id_) in self._allowed:
            return
        schema = self.schema
        if operation not in schema.operations:
            message = f"in pack `{schema.name}` only the platform can do `{operation}`"
            raise NotPermitted(message, why="no_operation")
        type_, action = schema.operations[operation]
        await self.ask_action(action, ref(type_, id_))
        self._allowed.add((operation, id_))

    async def ask_about(self, operation: Operation, ids: Mapping[InstanceOf, str]) -> None:
        """Require that the actor may do an operation to the thing with the ID that the pack's action is about.

        If none of the IDs is an instance of the action's type, the question is about the type as a whole.

        Raises:
            NotPermitted: the pack denies it, or leaves the operation to the platform.
            NotFound: there is no such tenant.
        """
        if self.call.is_platform:
            self._require_tenant()
            return
        type_, _ = self.schema.operations.get(operation, ("", ""))
        declared = self.schema.resources.get(type_)
        await self.ask(operation, ids.get(declared.instances, ANY) if declared else ANY)

    async def ask_action(self, action: str, resource: str) -> None:
        """Require that the actor may do an action on a resource.

        Raises:
            NotPermitted: the pack denies it.
            RevisionConflict: the decision was made from another revision than the other reads of this command.
        """
        if self.call.is_platform:
            return
        actor = split_ref(self.call.actor)[1]
        request = Request(self.tenant, Subject(actor), action, Resource(*split_ref(resource)))
        decision = await self._decider.decide(request)
        if decision.revision != self.draft.revision:
            raise RevisionConflict(f"the tenant `{self.tenant}` changed while it was asked")
        if not decision.allowed:
            message = f"`{self.call.actor}` may not {action} `{resource}`: {decision.reason}"
            raise NotPermitted(message, why=decision.reason, rule=decision.rule)

    async def ask_view(self, resource: str) -> None:
        """Require that the actor may see the record of a resource, by the action that its type declares for that.

        Raises:
            NotPermitted: the pack denies it, or leaves it to the platform.
            NotFound: there is no such tenant.
        """
        await self._ask_declared("viewed_with", resource)

    async def ask_monitor(self, resource: str) -> None:
        """Require that the actor may see how much is inside a resource, by the action that its type declares for that.

        Raises:
            NotPermitted: the pack denies it, or leaves it to the platform.
            NotFound: there is no such tenant.
        """
        await self._ask_declared("monitored_with", resource)

    async def require_authority(self, role: str) -> None:
        """Require that the actor has authority over a role on the tenant (EF-03, EF-05).

        Raises:
            NotPermitted: the actor holds no role of the role's `granted_by`.
        """
        declared, custom = self.schema.roles.get(role), self.schema.custom_roles
        needed = declared.granted_by if declared else custom.granted_by if custom else frozenset()
        if self.call.is_platform or not needed:
            return
        if self._held is None:
            self._held = await self._roles_of_actor()
        if not needed & self._held:
            names = " or ".join(f"`{name}`" for name in sorted(needed))
            raise NotPermitted(f"role `{role}` is granted and revoked only by holders of {names}", why=NO_AUTHORITY)

    async def groups_above(self, holder: str) -> frozenset[str]:
        """Return the references of all groups that a member or group belongs to, directly or through others."""
        found: set[str] = set()
        waiting = {holder}
        while waiting:
            above = await self.draft.related(Relation.GROUPS_OF, *sorted(waiting))
            waiting = {ref("group", key[0]) for _, key in above} - found
            found |= waiting
        return frozenset(found)

    async def _ask_declared(self, key: Literal["viewed_with", "monitored_with"], resource: str) -> None:
        if self.call.is_platform:
            self._require_tenant()
            return
        declared = self.schema.resources.get(split_ref(resource)[0])
        action: str = getattr(declared, key, "")
        if not action:
            raise NotPermitted(f"only the platform can view `{resource}`", why="no_operation")
        await self.ask_action(action, resource)

    def _require_tenant(self) -> None:
        if self.draft.revision == NO_REVISION:
            raise NotFound(f"there is no tenant `{self.tenant}`")

    async def _roles_of_actor(self) -> frozenset[str]:
        holders = {self.call.actor, *await self.groups_above(self.call.actor)}
        grants = await self.draft.related(Relation.GRANTS_OF, *sorted(holders))
        return frozenset(key[0] for _, key in grants if key[1] == self.scope)
