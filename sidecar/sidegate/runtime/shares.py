"""For whom the current call works: what competes for the sidecar is shared fairly between them."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, NamedTuple


class Share(NamedTuple):
    """A caller and the tenant that it asks about; both are "" where they are not known."""

    caller: str = ""
    tenant: str = ""


def share_of(caller: str, tenant: str) -> Share:
    """Return a share; the class itself takes twice as long, which each Check would pay."""
    return tuple.__new__(Share, (caller, tenant))


NOBODY: Final = Share()
_CURRENT: ContextVar[Share] = ContextVar("sidegate_share", default=NOBODY)


def begin_share(share: Share) -> None:
    """Record for whom this call works; the tasks that it starts work for the same."""
    _CURRENT.set(share)


def current_share() -> Share:
    """Return for whom the current call works."""
    return _CURRENT.get()
