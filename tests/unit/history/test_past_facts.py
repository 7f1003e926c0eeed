"""Documents of the past, on a real store."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sidegate.errors import InvalidInput
from sidegate.facts.read import read_facts
from sidegate.history.past_facts import PastFacts
from sidegate.model.change import Change, EntryKind
from sidegate.model.facts import Member, TenantFacts
from sidegate.model.revision import Revision
from sidegate_adapters.sql import SqlFactsStore, open_store
from support.facts.changes import changes_between

ACME = TenantFacts("acme", members={"uma": Member("uma", quota=3)})
AGAIN = TenantFacts("acme", members={"zoe": Member("zoe")})
REMOVED = [Change(EntryKind.TENANT, (), {"pack": "", "settings": {}}, None)]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlFactsStore]:
    """A store whose tenant was made, removed, and made again."""
    opened = await open_store(f"sqlite:///{tmp_path / 'facts.db'}")
    await opened.write({"acme": changes_between(None, ACME)}, expected={}, actor="platform")
    await opened.write({"acme": REMOVED}, expected={"acme": 1}, actor="platform")
    await opened.write({"acme": changes_between(None, AGAIN)}, expected={}, actor="platform")
    yield opened
    await opened.close()


async def test_a_tenant_that_came_again_has_both_its_pasts(store: SqlFactsStore) -> None:
    """Before the removal it is what it was, after it what it became; between them it is refused."""
    past = PastFacts(store)
    first, removed, again = [await store.revision("acme", number) for number in (1, 2, 3)]
    assert read_facts(await past.export(["acme"], first), "f").tenants == {"acme": ACME}
    assert read_facts(await past.export(["acme"], again), "f").tenants == {"acme": AGAIN}
    with pytest.raises(InvalidInput) as refused:
        await past.export(["acme"], removed)
    assert [violation.field for violation in refused.value.violations] == ["at_revision"]


@pytest.mark.parametrize("number", [0, -1, 4, 2**62, 1, 3])
async def test_an_unknown_revision_is_refused(store: SqlFactsStore, number: int) -> None:
    """A revision that was never made, is not made yet, or was made at another time, names its field."""
    with pytest.raises(InvalidInput) as refused:
        await PastFacts(store).export(["acme"], Revision(number, 1))
    assert [violation.field for violation in refused.value.violations] == ["at_revision"]


async def test_every_absent_tenant_is_named(store: SqlFactsStore) -> None:
    """Tenants that did not exist at a time are reported in one error."""
    with pytest.raises(InvalidInput) as refused:
        await PastFacts(store).export(["nobody", "acme", "none"], datetime.now(UTC))
    assert [violation.field for violation in refused.value.violations] == ["tenants[0]", "tenants[2]"]
