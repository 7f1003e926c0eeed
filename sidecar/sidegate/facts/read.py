"""Reads facts documents: the YAML or JSON form in which tenants are written down, imported and exported."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from sidegate.documents.json_schema import check_schema
from sidegate.documents.limits import UNLIMITED, Limits
from sidegate.documents.yaml import Document, Path, parse_document
from sidegate.errors import FactsError, FaultyFiles
from sidegate.facts.document import FactsDocument
from sidegate.model.change import EntryKind
from sidegate.model.entry import EntryKey
from sidegate.model.facts import CustomRole, Grant, Group, Member, MemberStatus, StoredResource, TenantFacts
from sidegate.model.reference import ref, split_ref
from sidegate.policy.pack.schema import OWNER, TENANT

_PAIRS = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")


def read_facts(text: str, source: str, limits: Limits = UNLIMITED) -> FactsDocument:
    """Read a facts document; `source` is its name in faults.

    Raises:
        FactsError: it is not YAML or JSON, or not of the documented form; names every place.
    """
    try:
        joined = _joined(text) if text.lstrip().startswith("{") else text
        document = parse_document(joined, source, limits=limits)
    except FaultyFiles as error:
        raise FactsError(*error.faults) from error
    return facts_of(document)


def facts_of(document: Document) -> FactsDocument:
    """Return the facts of a document that is already parsed.

    Raises:
        FactsError: it is not of the documented form; names every place.
    """
    if faults := check_schema(document, "facts"):
        raise FactsError(*faults)
    value: Any = document.value
    readers = {id_: _TenantReader(id_, written or {}) for id_, written in (value["tenants"] or {}).items()}
    return FactsDocument(
        tenants={id_: reader.facts() for id_, reader in readers.items()},
        document=document,
        paths={id_: reader.paths for id_, reader in readers.items()},
    )


class _TenantReader:
    """Reads one tenant and records the paths of its grants and group members."""

    def __init__(self, tenant: str, written: Mapping[str, Any]) -> None:
        self._tenant = tenant
        self._scope = ref(TENANT, tenant)
        self._path: Path = ("tenants", tenant)
        self._written = written
        self.paths: dict[EntryKey, Path] = {}

    def facts(self) -> TenantFacts:
        members = {id_: self._member(id_, written or {}) for id_, written in self._section("members")}
        groups = {id_: self._group(id_, written or {}) for id_, written in self._section("groups")}
        resources = {key: self._resource(key, written or {}) for key, written in self._section("resources")}
        self._read_grants()
        return TenantFacts(
            id=self._tenant,
            pack=self._written.get("pack", ""),
            settings=self._written.get("settings") or {},
            suspended=self._written.get("suspended", False),
            members=members,
            groups=groups,
            roles={name: _role(name, written or {}) for name, written in self._section("roles")},
            resources=resources,
            grants=frozenset(Grant(*key) for entity, key in self.paths if entity is EntryKind.GRANT),
        )

    def _section(self, name: str) -> Iterable[tuple[str, Any]]:
        section: Mapping[str, Any] = self._written.get(name) or {}
        return section.items()

    def _grant(self, grant: tuple[str, str, str], path: Path) -> None:
        self.paths.setdefault((EntryKind.GRANT, grant), path)

    def _member(self, id_: str, written: Mapping[str, Any]) -> Member:
        for index, role in enumerate(written.get("roles", ())):
            self._grant((role, self._scope, ref("member", id_)), (*self._path, "members", id_, "roles", index))
        quota = written.get("quota")
        return Member(
            id_,
            MemberStatus(written.get("status", MemberStatus.ACTIVE)),
            name=written.get("name", ""),
            email=written.get("email", ""),
            mfa=written.get("mfa", False),
            quota=None if quota is None else int(quota),
            phone=written.get("phone", ""),
        )

    def _group(self, id_: str, written: Mapping[str, Any]) -> Group:
        holders = [_holder(short) for short in written.get("members", ())]
        for index, holder in enumerate(holders):
            self.paths.setdefault(
                (EntryKind.GROUP_MEMBER, (id_, holder)), (*self._path, "groups", id_, "members", index)
            )
        return Group(id_, written.get("name", ""), frozenset(holders))

    def _resource(self, reference: str, written: Mapping[str, Any]) -> StoredResource:
        if "owner" in written:
            path = (*self._path, "resources", reference, "owner")
            self._grant((OWNER, reference, _holder(written["owner"])), path)
        type_, id_ = split_ref(reference)
        return StoredResource(type_, id_, frozenset(written.get("parents", ())), written.get("properties") or {})

    def _read_grants(self) -> None:
        for index, written in enumerate(self._written.get("grants") or ()):
            scope = self._scope if written["on"] == TENANT else written["on"]
            self._grant((written["role"], scope, written["to"]), (*self._path, "grants", index))


def _joined(text: str) -> str:
    """Return JSON with each pair of escaped surrogates as its character: JSON writes pairs, YAML reads none."""
    return _PAIRS.sub(lambda pair: pair[1] + json.loads(f'"{pair[2]}"'), text)


def _holder(short: str) -> str:
    """Return the reference of a holder that may be written as a member's bare ID."""
    return short if short.startswith(("member:", "group:")) else ref("member", short)


def _role(name: str, written: Mapping[str, Any]) -> CustomRole:
    permissions: Mapping[str, Any] = written.get("permissions") or {}
    return CustomRole(name, {type_: frozenset(actions) for type_, actions in permissions.items()})
