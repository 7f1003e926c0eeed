"""Decisions in a cache that others can write to."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidegate.decision import sealed_cache as sealed
from sidegate.decision.cache_key import question_of
from sidegate.decision.sealed_cache import SealedDecisions
from sidegate.model.decision import Decision, Obligation, Reason
from sidegate.model.question import Request, Resource, Subject
from sidegate.model.revision import Revision
from sidegate.policy.pack.claims import DeclaredClaims
from support.decisions.shared_cache import Counted, DictCache
from support.facts.any_facts import properties, texts
from support.unhurried import unhurried

FACTS_AND_RULES = {"revision": Revision(7, 70), "policy_digest": "sha256:pack"}
NONE_DECLARED = DeclaredClaims((), {}, ())
UMA = question_of(Request("acme", Subject("uma"), "view", Resource("document", "d1")), NONE_DECLARED)
VIC = question_of(Request("acme", Subject("vic"), "view", Resource("document", "d1")), NONE_DECLARED)
ALLOW = Decision(True, Reason.ALLOWED_BY_RULE, "ST-14", "sha256:pack", Revision(7, 70))
DENY = Decision(
    False,
    "mfa_required",
    "ST-19",
    "sha256:pack",
    Revision(7, 70),
    (Obligation("step_up_mfa", {"methods": ["totp"], "within": 1.5, "nested": {"deep": None}}),),
)


def decisions(cache: DictCache, secret: bytes = b"s" * 32, *, engine: str = "indexed", **more: object):
    return SealedDecisions(cache, secret, engine=engine, seconds=60, **more)


@pytest.mark.parametrize("decision", [ALLOW, DENY])
async def test_what_was_put_comes_back_whole(decision):
    """Every field of a decision survives, to the parameters of its obligations."""
    there = decisions(DictCache())
    there.put(UMA, decision)
    assert await there.get(UMA, **FACTS_AND_RULES) == decision


@given(texts, texts, st.lists(st.builds(Obligation, texts, properties), max_size=2).map(tuple))
@unhurried
def test_any_decision_is_read_as_it_was_written(reason, rule, obligations):
    """Whatever texts, numbers and maps a pack's obligations hold."""
    decision = Decision(False, reason, rule, "digest", Revision(2**60, 2**61), obligations)
    assert sealed._read(sealed._written(decision)) == decision


@pytest.mark.parametrize(
    "other",
    [
        {"revision": Revision(6, 60)},
        {"revision": Revision(8, 80)},
        {"revision": Revision(7, 71)},
        {"policy_digest": "sha256:other"},
        {"policy_digest": ""},
    ],
)
async def test_a_decision_of_other_facts_or_rules_is_not_found(other):
    """Number and time of the revision, and the policy digest, are part of the name: an old decision can't be hit."""
    there = decisions(DictCache())
    there.put(UMA, ALLOW)
    assert await there.get(UMA, **FACTS_AND_RULES | other) is None


async def test_another_engine_version_or_deployment_finds_nothing(monkeypatch):
    """What decided is part of the name, and so is the deployment's secret: two databases on one Redis never meet."""
    cache, counted = DictCache(), Counted()
    decisions(cache).put(UMA, ALLOW)
    assert await decisions(cache, engine="reference", observer=counted).get(UMA, **FACTS_AND_RULES) is None
    assert await decisions(cache, b"t" * 32, observer=counted).get(UMA, **FACTS_AND_RULES) is None
    monkeypatch.setattr(sealed, "__version__", "0.0.0")
    assert await decisions(cache, observer=counted).get(UMA, **FACTS_AND_RULES) is None
    assert counted.events == []


async def test_names_reveal_nothing_of_the_question():
    """Who reads Redis can't even try out guesses: the name is not a plain digest of what was asked."""
    one, other = DictCache(), DictCache()
    decisions(one).put(UMA, ALLOW)
    decisions(other, b"t" * 32).put(UMA, ALLOW)
    assert not one.entries.keys() & other.entries.keys()
    assert not any(text in content for text, content in product((b"uma", b"acme", b"d1"), one.entries.values()))


def flipped(value: bytes, position: int) -> bytes:
    return value[:position] + bytes([value[position] ^ 1]) + value[position + 1 :]


async def test_each_altered_or_missing_byte_makes_it_a_miss():
    """No bit of seal or content can be changed, and nothing cut off or added; each attempt is counted."""
    cache, counted = DictCache(), Counted()
    there = decisions(cache, observer=counted)
    there.put(UMA, DENY)
    ((name, value),) = cache.entries.items()
    forgeries = [flipped(value, position) for position in range(len(value))]
    forgeries += [value[:length] for length in range(len(value))]
    forgeries += [value + b" ", b"\0" + value, value * 2]
    for forged in forgeries:
        cache.entries[name] = forged
        assert await there.get(UMA, **FACTS_AND_RULES) is None
    assert counted.events == ["rejected"] * len(forgeries)
    cache.entries[name] = value
    assert await there.get(UMA, **FACTS_AND_RULES) == DENY


async def test_a_decision_moved_to_another_question_or_revision_is_a_miss():
    """A sealed allow is worth nothing under any name but its own."""
    cache, counted = DictCache(), Counted()
    there = decisions(cache, observer=counted)
    there.put(UMA, ALLOW)
    ((uma, allowed),) = cache.entries.items()
    there.put(VIC, DENY)
    later = Decision(False, "no_matching_rule", "", "sha256:pack", Revision(8, 80))
    there.put(UMA, later)
    for name in cache.entries.keys() - {uma}:
        cache.entries[name] = allowed
    assert await there.get(VIC, **FACTS_AND_RULES) is None
    assert await there.get(UMA, **FACTS_AND_RULES | {"revision": Revision(8, 80)}) is None
    assert counted.events == ["rejected"] * 2


async def test_who_lacks_the_secret_can_seal_nothing():
    """Decisions that another deployment sealed, put under the names of this one, are misses."""
    ours, theirs, counted = DictCache(), DictCache(), Counted()
    here = decisions(ours, observer=counted)
    here.put(UMA, DENY)
    decisions(theirs, b"t" * 32).put(UMA, ALLOW)
    ours.entries = dict(zip(ours.entries, theirs.entries.values(), strict=True))
    assert await here.get(UMA, **FACTS_AND_RULES) is None
    assert counted.events == ["rejected"]
