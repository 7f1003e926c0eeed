"""A facts document that was read: the facts of its tenants, and the path of each in the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sidegate.documents.yaml import Document, Path
from sidegate.errors import Fault
from sidegate.facts.entry_fault import EntryFault
from sidegate.model.change import EntryKind
from sidegate.model.entry import EntryKey
from sidegate.model.facts import Grant, TenantFacts

EntryPaths: TypeAlias = Mapping[EntryKey, Path]
"""The paths of the grants and group members of one tenant, in the order of the document."""

_SECTIONS: Mapping[EntryKind, str] = {
    EntryKind.MEMBER: "members",
    EntryKind.GROUP: "groups",
    EntryKind.ROLE: "roles",
    EntryKind.RESOURCE: "resources",
}


@dataclass(frozen=True, slots=True)
class FactsDocument:
    """The tenants of a document in its order, with the document for the lines of faults."""

    tenants: Mapping[str, TenantFacts]
    document: Document
    paths: Mapping[str, EntryPaths]

    def grants(self, tenant: str) -> Iterable[Grant]:
        """Yield a tenant's grants, each once, in the order of the document."""
        for entity, key in self.paths.get(tenant, ()):
            if entity is EntryKind.GRANT:
                yield Grant(*key)

    def fault(self, tenant: str, fault: EntryFault) -> Fault:
        """Return a fault about a tenant with its file, line and key."""
        return self.document.fault(self._path(tenant, fault), fault.message)

    def _path(self, tenant: str, fault: EntryFault) -> Path:
        path: Path = ("tenants", tenant)
        entry = (fault.entity, fault.key)
        if fault.entity in _SECTIONS:
            path = (*path, _SECTIONS[fault.entity], *fault.key)
        elif entry in self.paths.get(tenant, {}):
            path = self.paths[tenant][entry]
        for step in fault.detail:
            value = self.document.at(path)
            if isinstance(value, dict) and step in value:
                path = (*path, step)
            elif isinstance(value, list) and step in value:
                path = (*path, value.index(step))
        return path
