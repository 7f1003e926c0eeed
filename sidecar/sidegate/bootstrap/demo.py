"""The demo tenant."""

from __future__ import annotations

from sidegate.facts.apply import FactsDocuments
from sidegate.policy.pack.files import read_inside
from sidegate.policy.pack.registry import bundled_packs
from sidegate.ports.membership_store import MembershipStore

DEMO_TENANT = "demo"
_FACTS = "standard/demo.yaml"


async def seed_demo(store: MembershipStore, facts: FactsDocuments) -> None:
    """Write the demo tenant where it is not there yet."""
    if DEMO_TENANT not in await store.tenants():
        text = read_inside(bundled_packs(), bundled_packs() / _FACTS).decode("utf-8")
        await facts.apply(text, _FACTS, actor="platform")
