"""Etags: digests of what was read, so that an update of something that changed since is refused."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sidegate.errors import StaleEtag


def etag_of(payload: Any) -> str:
    """Return the etag of an entry's payload; equal payloads have equal ones."""
    canonical = json.dumps(payload, sort_keys=True, separators=(",", ":"), default=dict)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def require_etag(etag: str, payload: Any, *, name: str) -> None:
    """Require that a thing has not changed since its etag was read; an empty etag requires nothing.

    Raises:
        StaleEtag: it was altered since.
    """
    if etag and etag != etag_of(payload):
        raise StaleEtag(f"`{name}` was altered since it was read: read it again and retry")
