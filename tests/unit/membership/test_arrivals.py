"""Who waits for changes, and is woken by the sidecar's one look at the store."""

from sidegate.membership.arrivals import ANY_TENANT, Arrivals
from sidegate.membership.follower import Follower
from sidegate.model import TenantFacts
from sidegate_adapters.sql import open_store
from support.changes import changes_between


def test_only_who_waits_for_the_tenant_is_woken():
    """News of a tenant wakes those who wait for it and those who wait for any, and nobody else."""
    arrivals = Arrivals()
    with arrivals.awaited("acme") as acme, arrivals.awaited("globex") as globex, arrivals.awaited(ANY_TENANT) as every:
        arrivals.seen(3, ["acme"])
        assert (acme.is_set(), globex.is_set(), every.is_set()) == (True, False, True)
        every.clear()
        arrivals.seen(3, [])
        assert not every.is_set()
    assert arrivals.sequence == 3


def test_who_waits_no_more_leaves_nothing_behind():
    """A tenant that nobody waits for any more takes no memory."""
    arrivals = Arrivals()
    with arrivals.awaited("acme"), arrivals.awaited("acme"):
        pass
    assert repr(arrivals) == "Arrivals(sequence=0, awaited=[])"


class Ignoring:
    def follow(self, tenant, changes):
        """Do nothing with the changes."""

    def forget(self):
        """Do nothing: there is nothing to forget."""


async def test_the_follower_tells_how_far_it_has_seen(tmp_path):
    """The first look tells where the feed stands, each later one what it found, if anything."""
    store = await open_store(f"sqlite:///{tmp_path}/facts.db")
    follower = Follower(store, Ignoring(), poll_interval=60)
    await store.write({"acme": changes_between(None, TenantFacts("acme"))}, expected={"acme": 0}, actor="platform")
    with follower.arrivals.awaited("globex") as arrived:
        await follower.catch_up()
        assert (follower.arrivals.sequence, arrived.is_set()) == (1, False)
        made = changes_between(None, TenantFacts("globex"))
        await store.write({"globex": made}, expected={"globex": 0}, actor="platform")
        await follower.catch_up()
        assert (follower.arrivals.sequence, arrived.is_set()) == (2, True)
        arrived.clear()
        await follower.catch_up()
        assert not arrived.is_set()
    await store.close()
