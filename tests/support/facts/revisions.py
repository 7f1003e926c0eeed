"""Revisions in tests: the numbers that are known beforehand, without the times that are not."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TypeVar

import pytest

from sidegate.model.facts import TenantFacts
from sidegate.model.revision import Revision
from sidegate.ports.facts_store import FactsStore

T = TypeVar("T")


def numbers(revisions: Mapping[str, Revision]) -> dict[str, int]:
    """Return the number of each tenant's revision."""
    return {tenant: revision.number for tenant, revision in revisions.items()}


async def numbered(read: Awaitable[tuple[T, Revision]]) -> tuple[T, int]:
    """Return the result of a read of the store, with the number of its revision."""
    found, revision = await read
    return found, revision.number


async def loaded(store: FactsStore, tenant: str) -> tuple[TenantFacts, int]:
    """Return a tenant's facts with the number of their revision."""
    facts, revision = await store.load(tenant) or pytest.fail("the tenant was deleted")
    return facts, revision.number
