"""Planning, applying and exporting facts documents."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias

from sidegate.documents.limits import MAX_FAULTS, UNLIMITED, Limits, first_faults
from sidegate.documents.suggestions import near, nearest, one_of
from sidegate.errors import FactsError, Fault, InvalidInput, RevisionConflict, Unavailable, Violation
from sidegate.facts.addresses import shared_addresses
from sidegate.facts.checks.identifiers import check_added_identifiers
from sidegate.facts.diff import difference
from sidegate.facts.document import FactsDocument
from sidegate.facts.entry_fault import EntryFault
from sidegate.facts.read import read_facts
from sidegate.facts.validate import check_facts, check_handover, vacancies
from sidegate.facts.write import write_facts
from sidegate.model.change import Change, EntryKind
from sidegate.model.facts import TenantFacts
from sidegate.model.revision import NO_REVISION, Revision
from sidegate.policy.pack.schema import Schema
from sidegate.ports.bulk_facts import TenantsCheck
from sidegate.ports.facts_store import FactsWriter

_ATTEMPTS = 5

Stored: TypeAlias = Mapping[str, tuple[TenantFacts | None, Revision]]
"""The stored facts of each tenant of a document, with its revision; None and no revision for a new tenant."""


@dataclass(frozen=True, slots=True)
class TenantChanges:
    """What a document changes in one tenant; `revision` is the tenant's before the write, or after it."""

    tenant: str
    revision: Revision
    changes: tuple[Change, ...]
    warnings: tuple[str, ...] = ()


def _any(_tenants: Sequence[str]) -> None:
    """Accept all tenants."""


class TooLargeHere(Exception):
    """What is stored about a tenant is too much to be compared in this process."""


SizeCheck: TypeAlias = Callable[[str], Awaitable[bool]]
"""Returns whether what is stored about a tenant is so little that it can be compared in this process."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may be handled: documents within `limits`, about tenants that are `small`, where that is asked."""

    limits: Limits = UNLIMITED
    small: SizeCheck | None = None


UNBOUNDED: Final = Bounds()


async def _nothing() -> None:
    """Do nothing."""


class FactsDocuments:
    """Makes stored tenants hold exactly what documents say.

    `schema_of` returns the schema of a loaded pack by its name, that of the server's default for "", and None
    where there is no such pack; `pack_names` returns the names, for suggestions. `catch_up` makes this sidecar apply
    what was written. A document is processed in a thread; a thread can't be stopped, so that a large document, or one
    about a tenant that `bounds` find too large, belongs in a process of its own.
    """

    def __init__(
        self,
        store: FactsWriter,
        schema_of: Callable[[str], Schema | None],
        *,
        pack_names: Callable[[], Collection[str]] = tuple,
        catch_up: Callable[[], Awaitable[object]] = _nothing,
        bounds: Bounds = UNBOUNDED,
    ) -> None:
        self._store = store
        self._schema_of = schema_of
        self._pack_names = pack_names
        self._catch_up = catch_up
        self._bounds = bounds

    async def plan(self, text: str, source: str, *, check: TenantsCheck = _any) -> tuple[TenantChanges, ...]:
        """Return what applying the document would change, tenant by tenant in its order.

        `check` is called with the tenants of the document before anything is read, and may raise.

        Raises:
            FactsError: the document is refused; names every place.
            TooLargeHere: a tenant is too large for this process.
            StoreUnavailable: the store does not answer.
        """
        document = await asyncio.to_thread(read_facts, text, source, self._bounds.limits)
        check([*document.tenants])
        return await self._plan(document)

    async def apply(
        self, text: str, source: str, *, actor: str, caller: str = "", check: TenantsCheck = _any
    ) -> tuple[TenantChanges, ...]:
        """Make each tenant of the document hold exactly what it says, all in one transaction.

        Tenants that it doesn't name stay as they are; applying it again changes nothing. The history shows `actor`, in
        whose name it is applied, and `caller`, who applied it.

        Raises:
            FactsError: the document is refused; names every place, and nothing was written.
            TooLargeHere: a tenant is too large for this process; nothing was written.
            RevisionConflict: other writers came first again and again; nothing was written.
            StoreUnavailable: the store does not answer; nothing was written.
        """
        document = await asyncio.to_thread(read_facts, text, source, self._bounds.limits)
        check([*document.tenants])
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._write(await self._plan(document), actor=actor, caller=caller)
            except RevisionConflict:
                continue  # the plan was made from facts that have changed since
        return await self._write(await self._plan(document), actor=actor, caller=caller)

    async def export(self, tenants: Sequence[str] = ()) -> str:
        """Return the document of these tenants, all where none is named.

        Raises:
            InvalidInput: a tenant is not there; names every one.
            StoreUnavailable: the store does not answer.
        """
        loaded = [await self._store.load(tenant) for tenant in tenants or await self._store.tenants()]
        known = [facts for facts, _ in filter(None, loaded)]
        if tenants and len(known) < len(loaded):
            raise InvalidInput(*await self._unknown(tenants, {facts.id for facts in known}))
        return await asyncio.to_thread(write_facts, [*{facts.id: facts for facts in known}.values()])

    async def _plan(self, document: FactsDocument) -> tuple[TenantChanges, ...]:
        if self._bounds.small is not None:
            for tenant in document.tenants:
                if not await self._bounds.small(tenant):
                    raise TooLargeHere(tenant)
        stored = {tenant: await self._store.load(tenant) or (None, NO_REVISION) for tenant in document.tenants}
        return await asyncio.to_thread(self._compare, document, stored)

    def _compare(self, document: FactsDocument, stored: Stored) -> tuple[TenantChanges, ...]:
        faults: list[Fault] = []
        plans: list[TenantChanges] = []
        for tenant, new in document.tenants.items():
            if len(faults) > MAX_FAULTS:
                break
            old, revision = stored[tenant]
            schema = self._schema_of(new.pack)
            if schema is None:
                faults.append(self._unknown_pack(document, new))
                continue
            changes = difference(old, new)
            refused = islice(check_added_identifiers(tenant, changes), MAX_FAULTS + 1)
            faults += (document.fault(tenant, fault) for fault in refused)
            faults += check_facts(new, document, schema)
            if old is not None:
                faults += check_handover(old, new, document=document, schema=schema)
            warnings = (*_resumed(old, new), *vacancies(new, schema), *shared_addresses(new.members.values()))
            plans.append(TenantChanges(tenant, revision, changes, warnings))
        if faults:
            raise FactsError(*first_faults(faults))
        return tuple(plans)

    async def _write(self, plans: Sequence[TenantChanges], *, actor: str, caller: str) -> tuple[TenantChanges, ...]:
        changed = [plan for plan in plans if plan.changes]
        revisions = await self._store.write(
            {plan.tenant: plan.changes for plan in changed},
            expected={plan.tenant: plan.revision.number for plan in changed},
            actor=actor,
            caller=caller,
        )
        with suppress(Unavailable):  # it is written; until the next poll the staleness bound holds
            await self._catch_up()
        return tuple(
            TenantChanges(plan.tenant, revisions.get(plan.tenant, plan.revision), plan.changes, plan.warnings)
            for plan in plans
        )

    def _unknown_pack(self, document: FactsDocument, facts: TenantFacts) -> Fault:
        names = [name for name in self._pack_names() if name]
        if not facts.pack:
            message = f"no pack decides for `{facts.id}`: {one_of(names)} as its `pack`"
        else:
            message = f"unknown pack `{facts.pack}`: {nearest(facts.pack, names)}"
        return document.fault(facts.id, EntryFault(EntryKind.TENANT, (), message, ("pack",)))

    async def _unknown(self, tenants: Sequence[str], known: Collection[str]) -> list[Violation]:
        there = await self._store.tenants()
        return [
            Violation(f"tenants[{index}]", f"unknown tenant `{tenant}`: {near(tenant, there, 'none has this name')}")
            for index, tenant in enumerate(tenants)
            if tenant not in known
        ]


def _resumed(old: TenantFacts | None, new: TenantFacts) -> Iterator[str]:
    if old is not None and old.suspended and not new.suspended:
        yield "the tenant is suspended, and this resumes it: expected `suspended: true` where it shall stay so"
