"""The port of the store's record of which roles the packs declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RoleGrants:
    """A role of a pack, and how many grants of it are stored."""

    pack: str
    role: str
    grants: int


@dataclass(frozen=True, slots=True)
class RoleChanges:
    """What packs changed since they were recorded: roles that they no longer declare, and roles that they added.

    `added` are those of which grants were stored already; they were ended unless they were to be restored.
    """

    dropped: Sequence[RoleGrants] = ()
    added: Sequence[RoleGrants] = ()


class RoleStore(Protocol):
    """Records the roles that packs declare."""

    async def declare_roles(
        self, roles: Mapping[str, frozenset[str]], *, default: str, restore: bool = False
    ) -> RoleChanges:
        """Record the roles of packs, by pack, and return what changed; roles of other packs stay as they are.

        Grants that are stored of a role that its pack did not declare until now are from before it was dropped: they
        are removed, in the same transaction, as changes of the actor `pack:<name>`. With `restore` they count again.
        The first record of a pack changes nothing. Tenants that name no pack are on the `default` one.

        Raises:
            SchemaChanged: another version changed the schema of the store; nothing was written.
            StoreUnavailable: the store does not answer; nothing was written.
        """
        ...
