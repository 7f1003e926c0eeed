"""Who waits for changes, and is woken by the sidecar's one look at the store."""

from datetime import UTC, datetime

from sidegate.model.change import Change, EntryKind, RecordedChange
from sidegate.model.facts import TenantFacts
from sidegate.replica.follower import Follower
from sidegate.replica.recent_changes import ANY_TENANT, RecentChanges
from sidegate_adapters.sql import open_store
from support.facts.changes import changes_between

NOW = datetime.now(UTC)


def changes(*tenants: str, after: int = 0) -> dict[str, list[RecordedChange]]:
    """Return one change of each of these tenants, in this order, as a look finds them."""
    found: dict[str, list[RecordedChange]] = {}
    for sequence, tenant in enumerate(tenants, after + 1):
        change = Change(EntryKind.TENANT, (), None, {})
        found.setdefault(tenant, []).append(RecordedChange(sequence, tenant, 1, change, "platform", NOW))
    return found


def sequences(recent: RecentChanges, after: int) -> list[int] | None:
    known = recent.after(after)
    return None if known is None else [recorded.sequence for recorded in known]


def test_only_who_waits_for_the_tenant_is_woken():
    """News of a tenant wakes those who wait for it and those who wait for any, and nobody else."""
    recent = RecentChanges()
    with recent.awaited("acme") as acme, recent.awaited("globex") as globex, recent.awaited(ANY_TENANT) as every:
        recent.seen(1, changes("acme"))
        assert (acme.is_set(), globex.is_set(), every.is_set()) == (True, False, True)
        every.clear()
        recent.seen(1, {})
        assert not every.is_set()
    assert recent.sequence == 1


def test_the_newest_changes_are_kept_in_their_order():
    """Waiting streams read memory as far as it reaches back; beyond that memory says that it does not know."""
    recent = RecentChanges(limit=4)
    with recent.awaited("acme"):
        recent.seen(3, changes("acme", "globex", "acme"))
        assert [sequences(recent, after) for after in range(4)] == [[1, 2, 3], [2, 3], [3], []]
        recent.seen(6, changes("globex", "acme", "globex", after=3))
        assert [sequences(recent, after) for after in range(1, 4)] == [None, [3, 4, 5, 6], [4, 5, 6]]


def test_a_feed_that_does_not_go_on_is_another_epoch():
    """After a gap memory returns nothing that was seen before it, and cursors are known to be from before."""
    recent = RecentChanges()
    with recent.awaited("acme"):
        recent.seen(2, changes("acme", "acme"))
        before = recent.epoch
        recent.seen(1, None)
        assert recent.epoch != before
        assert (sequences(recent, 0), sequences(recent, 1)) == (None, [])
        recent.seen(2, changes("acme", after=1))
        assert sequences(recent, 1) == [2]


def test_nothing_is_kept_for_nobody():
    """Who waits no more leaves nothing behind, and while nobody waits no change is kept."""
    recent = RecentChanges()
    with recent.awaited("acme"), recent.awaited("acme"):
        recent.seen(1, changes("acme"))
    recent.seen(2, changes("acme", after=1))
    assert repr(recent) == "RecentChanges(sequence=2, held=0, awaited=[])"
    assert sequences(recent, 1) is None


class Ignoring:
    def apply_changes(self, tenant, changes):
        """Do nothing with the changes."""

    def invalidate_all(self):
        """Do nothing: there is nothing to forget."""


async def test_the_follower_reports_how_far_it_has_seen(tmp_path):
    """The first poll reports where the feed ends, each later one what it found, if anything."""
    store = await open_store(f"sqlite:///{tmp_path}/facts.db")
    follower = Follower(store, Ignoring(), poll_interval=60)
    await store.write({"acme": changes_between(None, TenantFacts("acme"))}, expected={"acme": 0}, actor="platform")
    with follower.recent_changes.awaited("globex") as arrived:
        await follower.catch_up()
        assert (follower.recent_changes.sequence, arrived.is_set()) == (1, False)
        made = changes_between(None, TenantFacts("globex"))
        await store.write({"globex": made}, expected={"globex": 0}, actor="platform")
        await follower.catch_up()
        assert (follower.recent_changes.sequence, arrived.is_set()) == (2, True)
        arrived.clear()
        await follower.catch_up()
        assert not arrived.is_set()
    await store.close()
