"""How much memory remembered decisions take, and for how long they are remembered."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest

from sidegate.decision.local_cache import CacheLimits, Key, RememberedDecisions, size_of
from sidegate.model.decision import Decision, Obligation
from sidegate.model.revision import Revision
from support.decisions.shared_cache import Counted

ALLOW = Decision(True, "allowed_by_rule")


def key_of(name: str, *, claims: str = "") -> Key:
    return "lineage", 1, ("acme", "member", name, "view", "note", "n1", claims)


@pytest.fixture
def counted() -> Counted:
    return Counted()


def test_memory_is_bounded_by_number_and_by_time(counted):
    """The least recently used decision is evicted first, and none outlives its time to live by more than a tenth."""
    now = 0.0
    remembered = RememberedDecisions(CacheLimits(2, 2**20, 10), clock=lambda: now, observer=counted)
    a, b, c = map(key_of, "abc")
    for key in (a, b):
        remembered.put(key, ALLOW)
    assert remembered.get(a) is ALLOW
    remembered.put(c, ALLOW)
    assert remembered.get(b) is None
    assert counted.taken() == ["evicted"]
    now = 8.9
    assert remembered.get(a) is ALLOW
    now = 11.1
    assert remembered.get(a) is None
    assert len(remembered) == 1


def test_memory_is_bounded_by_bytes(counted):
    """However long names of questions and texts of decisions are, all entries together take at most the bound."""
    remembered = RememberedDecisions(CacheLimits(10_000, 50_000, 10), observer=counted)
    large = replace(ALLOW, obligations=(Obligation("sign", {"list": ["x" * 1_000] * 5, "text": "y" * 10_000}),))
    for number in range(50):
        remembered.put(key_of(f"{number}" * 50), large if number % 2 else ALLOW)
        assert remembered.bytes <= 50_000
    evicted = counted.taken()
    assert len(remembered) + len(evicted) == 50
    remembered.put(key_of("a"), replace(ALLOW, rule="r" * 50_000))  # larger than all of it
    assert (len(remembered), remembered.bytes) == (0, 0)


def test_a_decision_that_replaces_another_is_counted_once():
    """The same question decided again, and entries that expire, leave the count of bytes right."""
    now = 0.0
    remembered = RememberedDecisions(CacheLimits(10, 2**20, 10), clock=lambda: now)
    remembered.put(key_of("a"), replace(ALLOW, rule="r" * 1_000))
    remembered.put(key_of("a"), ALLOW)
    assert remembered.bytes == size_of(key_of("a")[2], ALLOW)
    now = 12.0
    assert remembered.get(key_of("a")) is None
    assert remembered.bytes == 0


@pytest.mark.parametrize("claims", ["", "c1:xb1" * 10])
def test_an_entry_takes_no_more_than_is_counted(claims):
    """The interpreter allocates at most what is counted for each entry, with strings of its own."""
    number = 2_000
    remembered = RememberedDecisions(CacheLimits(number, 2**30, 300))
    tracemalloc.start()
    try:
        for position in range(number):
            names = [f"{word}-{position}" for word in ("acme", "member", "uma", "view", "note", "n1")]
            texts = [f"{word}-{position}" for word in ("allowed_by_rule", "ST-14", "d" * 64)]
            decision = Decision(True, *texts, Revision(2**40 + position, 2**50 + position))
            remembered.put((object(), 2**40 + position, (*names, f"{claims}{position}")), decision)
        assert tracemalloc.get_traced_memory()[0] <= remembered.bytes
    finally:
        tracemalloc.stop()
