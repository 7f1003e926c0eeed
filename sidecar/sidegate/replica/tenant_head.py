"""Where a tenant stands, before it is in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from sidegate.model.revision import Revision
from sidegate.policy.pack.compile import CompiledPack


@dataclass(frozen=True, slots=True, eq=False)
class TenantHead:
    """The revision and the pack that a tenant's decisions would be made from; its snapshot is being read meanwhile."""

    revision: Revision
    pack: CompiledPack
    lineage: object = field(default_factory=object)
