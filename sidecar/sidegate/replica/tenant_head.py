"""What is known of a tenant before its snapshot is in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from sidegate.model.revision import Revision
from sidegate.policy.pack.compile import CompiledPack


@dataclass(frozen=True, slots=True, eq=False)
class TenantHead:
    """The revision and the pack that a tenant's decisions would be made from, while its snapshot is being loaded."""

    revision: Revision
    pack: CompiledPack
    lineage: object = field(default_factory=object)
