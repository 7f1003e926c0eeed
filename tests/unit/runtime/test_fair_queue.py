"""A fair queue serves callers in turn, and the tenants of each caller in turn."""

from sidegate.runtime.fair_queue import FairQueue
from sidegate.runtime.shares import Share


def queue_of(*entries):
    queue = FairQueue()
    for share, entry in entries:
        queue.put(share, entry)
    return queue


def served(queue):
    order = []
    while (found := queue.pop()) is not None:
        order.append(found[1])
    return order


def test_one_entry_waits_for_one_of_a_flood():
    """However many entries a caller has, another caller's comes after one of them."""
    flood, quiet = Share("flood", "acme"), Share("quiet", "acme")
    assert served(queue_of((flood, 1), (flood, 2), (flood, 3), (quiet, 4))) == [1, 4, 2, 3]


def test_many_tenants_do_not_give_a_caller_more_turns():
    """The tenants of one caller share its turns."""
    flood = [(Share("flood", f"t{number}"), number) for number in range(4)]
    assert served(queue_of(*flood, (Share("quiet", "acme"), "quiet")))[1] == "quiet"


def test_tenants_of_one_caller_are_served_in_turn():
    """One tenant's entries do not hold up another's, with and without the caller's name."""
    for caller in ("app", ""):
        one, other = Share(caller, "one"), Share(caller, "other")
        assert served(queue_of((one, 1), (one, 2), (other, 3), (one, 4), (other, 5))) == [1, 3, 2, 5, 4]


def test_entries_that_may_not_run_keep_their_turn():
    """An entry that may not run now is passed over, and served later."""
    one, other = Share("one"), Share("other")
    queue = queue_of((one, 1), (other, 2))
    assert queue.pop(lambda share: share == other) == (other, 2)
    assert queue.pop(lambda share: share == other) is None
    assert served(queue) == [1]


def test_the_newest_of_the_longest_is_displaced():
    """Where there is no room, the caller with most entries loses its newest, unless the new entry is its own."""
    flood, quiet = Share("flood"), Share("quiet")
    queue = queue_of((flood, 1), (flood, 2), (flood, 3))
    assert queue.pop_from_longest(flood) is None
    assert queue.pop_from_longest(quiet) == 3
    assert served(queue) == [1, 2]


def test_a_queue_holds_no_key_without_an_entry():
    """Entries that were served or discarded leave nothing behind."""
    queue = queue_of(*((Share(f"c{number}", "t"), number) for number in range(10)))
    queue.discard(Share("c3", "t"), 3)
    queue.discard(Share("c3", "t"), 3)
    queue.discard(Share("never", "t"), 3)
    assert served(queue) == [number for number in range(10) if number != 3]
    assert len(queue) == 0
    assert not queue._turns


def test_how_many_are_served_before_a_new_entry():
    """A new entry waits for one of each other caller, and for those of its own tenant."""
    flood, quiet = Share("flood", "a"), Share("quiet", "a")
    queue = queue_of(*((flood, number) for number in range(10)))
    assert queue.ahead_of(quiet) == 1
    assert queue.ahead_of(flood) == 10
    assert queue.ahead_of(Share("flood", "b")) == 1
