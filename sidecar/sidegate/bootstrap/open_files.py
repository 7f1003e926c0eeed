"""Makes room for the connections that the settings allow: each takes a file descriptor."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Final

from sidegate.config.settings import Settings
from sidegate.telemetry.logging import get_log

_LOG: Final = get_log("bootstrap")
_OTHER_FILES: Final = 256
"""Descriptors for everything but the connections of clients: the store, Redis, logs, certificates, snapshots."""


def allow_open_files(settings: Settings) -> None:
    """Raise the limit of this process to what `max_connections` needs, as far as the system lets it.

    At the limit the process could not open its own database any more, so a limit that is too low is logged.
    """
    needed = settings.max_connections * len(settings.listen) + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    if soft < needed:
        _LOG.warning("too few open files allowed", limit=soft, needed=needed, setting="max_connections")
