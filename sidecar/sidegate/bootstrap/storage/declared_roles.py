"""Records which roles the packs declare, before they take effect."""

from __future__ import annotations

from sidegate.policy.pack.registry import Packs
from sidegate.ports.role_store import RoleStore
from sidegate.telemetry.logging import get_log
from sidegate.telemetry.sync import UNOBSERVED, SyncEvent, SyncObserver

_LOG = get_log("bootstrap")
_DROPPED = "its grants have no effect under this pack, and are removed once the role is declared again"
_ENDED = "grant the role again where it is needed: the history lists what was removed"
_RESTORED = "the setting returning_roles lets them count again"


class DeclaredRoles:
    """Records the roles of packs in the store, so that a role that was dropped does not return with its old grants."""

    def __init__(
        self, store: RoleStore, *, default: str, restore: bool = False, observer: SyncObserver = UNOBSERVED
    ) -> None:
        self._store = store
        self._default = default
        self._restore = restore
        self._observer = observer

    def __repr__(self) -> str:
        return f"DeclaredRoles(restore={self._restore})"

    async def record(self, packs: Packs) -> None:
        """Record the roles of these packs, and log what changed; afterwards the packs may take effect.

        Raises:
            Unavailable: the store does not answer, or its schema was changed.
        """
        roles = {name: frozenset(compiled.pack.schema.roles) for name, compiled in packs.items()}
        changed = await self._store.declare_roles(roles, default=self._default, restore=self._restore)
        for role in changed.dropped:
            _LOG.warning("role dropped", pack=role.pack, role=role.role, grants=role.grants, advice=_DROPPED)
        for role in changed.added:
            event, advice = ("grants restored", _RESTORED) if self._restore else ("grants ended", _ENDED)
            _LOG.warning(event, pack=role.pack, role=role.role, grants=role.grants, advice=advice)
            if not self._restore:
                self._observer.count(SyncEvent.GRANTS_ENDED)
