"""The facts under examination, and which of the things they name are there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sidegate.documents.suggestions import near
from sidegate.model.facts import Grant, TenantFacts
from sidegate.model.reference import ref, split_ref
from sidegate.policy.pack.schema import TENANT, InstanceOf, Schema


def added_to_document(section: str, name: str) -> str:
    """Return how a facts document adds what it refers to."""
    return f"add `{name}` under `{section}`"


@dataclass(frozen=True, slots=True)
class Case:
    """A tenant's facts and the schema of its pack; `grants` are its grants in the order in which they were written.

    `remedy` says what to do about an absent thing, by the section of facts documents that lists its kind and its name.
    """

    facts: TenantFacts
    schema: Schema
    grants: Sequence[Grant]
    remedy: Callable[[str, str], str] = added_to_document

    @property
    def tenant(self) -> str:
        """The reference of the tenant, which is the scope of tenant-wide roles."""
        return ref(TENANT, self.facts.id)

    def instances(self, type_: str) -> InstanceOf | None:
        """Return where instances of a type come from, None where the type is not known."""
        if type_ in self.schema.resources:
            return self.schema.resources[type_].instances
        return {"member": InstanceOf.MEMBER, "group": InstanceOf.GROUP}.get(type_)

    def absence(self, reference: str) -> str | None:
        """Return why a reference leads nowhere, with what would be right; None where it leads somewhere."""
        type_, id_ = split_ref(reference)
        match self.instances(type_):
            case InstanceOf.MEMBER:
                return self._absence(reference, self.facts.members, "members")
            case InstanceOf.GROUP:
                return self._absence(reference, self.facts.groups, "groups")
            case InstanceOf.ROLE if id_ in self.schema.roles:
                return None
            case InstanceOf.ROLE:
                return self._absence(reference, self.facts.roles, "roles")
            case InstanceOf.RESOURCES if reference in self.facts.resources:
                return None
            case InstanceOf.RESOURCES:
                hint = near(reference, self.facts.resources, self.remedy("resources", reference))
                return f"`{reference}` is not there: {hint}"
            case None:
                return f"`{type_}` is no type of pack `{self.schema.name}`"

    def _absence(self, reference: str, there: Collection[str], section: str) -> str | None:
        _, id_ = split_ref(reference)
        if id_ in there:
            return None
        return f"`{reference}` is not there: {near(id_, there, self.remedy(section, id_))}"
