"""A decision point over a real store, for tests of the chain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sidegate import bootstrap
from sidegate.config.load import load_settings
from sidegate.model.decision import Decision
from sidegate.model.question import DEFAULT_CONSISTENCY, Consistency, Request, Resource, Subject
from sidegate.model.reference import split_ref
from sidegate.model.revision import Revision


@asynccontextmanager
async def deciding(database: Path | str, **settings: object) -> AsyncIterator[bootstrap.Core]:
    """Assemble the real chain over a SQLite file, or the database at an address."""
    flags = {"database": database if isinstance(database, str) else f"sqlite:///{database}", **settings}
    async with bootstrap.deciding(load_settings(flags)) as core:
        yield core


async def ask(
    core: bootstrap.Core,
    question: str,
    *,
    tenant: str = "acme",
    consistency: Consistency = DEFAULT_CONSISTENCY,
    patience: float | None = None,
    **claims: dict[str, object],
) -> Decision:
    """Ask `"uma view document:d1"`; `claims` are `subject`, `resource` and `context` properties."""
    subject, action, resource = question.split()
    type_, id_ = split_ref(resource)
    return await core.decider.decide(
        Request(
            tenant,
            Subject(subject, properties=claims.get("subject", {})),
            action,
            Resource(type_, id_, claims.get("resource", {})),
            claims.get("context", {}),
            consistency,
            patience=patience,
        )
    )


async def apply(core: bootstrap.Core, text: str) -> dict[str, Revision]:
    """Apply a facts document and return the revision of each tenant in it."""
    return {tenant.tenant: tenant.revision for tenant in await core.facts.apply(text, "facts.yaml", actor="test")}
