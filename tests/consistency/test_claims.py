"""The checker of histories: it passes what is right, and each claim has a history that breaks it and nothing less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.histories.claims import CLAIMS, History, broken_claims
from support.histories.record import Answer, Demand, Effect, Mode, Operation, Outcome, Question, Read, Write
from support.histories.timeline import State, Timeline
from support.histories.truth import Rules
from support.unhurried import unhurried

TRUTHS = {"d": Rules({"admin": frozenset({"member:invite"})}, {"viewer": frozenset({"document:view"})})}
GRANT = ("grant", ("viewer", "document:d1", "member:bob"))
ANN = ("grant", ("admin", "tenant:acme", "member:ann"))
BASE = {("tenant", ()): {}, ("member", ("bob",)): {"status": "active"}, ("member", ("ann",)): {"status": "active"}}
GRANTED, REVOKED = Effect(GRANT, {}), Effect(GRANT, None)
MAY_BOB_VIEW = Question("bob", "view", "document:d1")
BOUND = 1.0

# Revision r1 is the set-up, r2 grants, r3 revokes, r4 grants again.
STATES = (
    State(""),
    State("r1", BASE, frozenset(BASE)),
    State("r2", {**BASE, GRANT: {}}, frozenset({GRANT})),
    State("r3", BASE, frozenset({GRANT})),
    State("r4", {**BASE, GRANT: {}}, frozenset({GRANT})),
)


def write(effect: Effect, revision: str, asked: float, **other: object) -> Write:
    """Return an acknowledged write that took a tenth of a second."""
    made = Write("writer", "one", "acme", effect, asked, asked + 0.1, Outcome.ACKNOWLEDGED, revision)
    return replace(made, **other)


def read(revision: str, asked: float, *, allowed: bool, **other: object) -> Read:
    """Return an answered read that took a tenth of a second."""
    reason = "allowed_by_rule" if allowed else "no_matching_rule"
    answer = Answer(allowed, reason, revision, "d")
    return replace(Read("reader", "one", "acme", MAY_BOB_VIEW, asked, asked + 0.1, answer=answer), **other)


def at_least(token: str) -> Demand:
    return Demand(Mode.AT_LEAST_AS_FRESH, token)


FULLY = Demand(Mode.FULLY_CONSISTENT)
WRITES = (write(GRANTED, "r2", 1.0), write(REVOKED, "r3", 2.0), write(GRANTED, "r4", 5.0))
READS = (
    read("r1", 0.5, allowed=False),
    read("r2", 1.5, allowed=True, demand=at_least("r2")),
    read("r2", 2.05, allowed=True, demand=FULLY),
    read("r3", 2.2, allowed=False, process="two", demand=FULLY),
    read("r2", 2.9, allowed=True, process="three"),
    read("r3", 3.2, allowed=False, demand=Demand(Mode.MAX_STALENESS, bound=0.3)),
    read("r4", 5.05, allowed=True, session="other"),
)
GOOD = (*WRITES, *READS)


def broken(operations: Sequence[Operation], states: Sequence[State] = STATES) -> set[str]:
    """Return the names of the claims that a history breaks."""
    history = History(operations, {"acme": Timeline(states, settled="r1")}, TRUTHS, BOUND)
    return {it.claim for it in broken_claims(history)}


def test_a_right_history_passes():
    """Reads beside writes, reads behind within the bound, and every mode: nothing is broken."""
    assert broken(GOOD) == set()


BAD = {
    "an allow after a revocation's token, from no state since": (
        [read("r3", 3.0, allowed=True, demand=at_least("r3"))],
        {"every_answer_is_explained", "the_revision_is_the_one_that_decided"},
    ),
    "an answer that names another revision than it was made from": (
        [read("r3", 2.9, allowed=True, process="three")],
        {"the_revision_is_the_one_that_decided"},
    ),
    "a revision that never was": (
        [read("r9", 0.6, allowed=False)],
        {"the_revision_is_the_one_that_decided", "no_answer_is_staler_than_the_bound"},
    ),
    "an answer from a state that nobody had asked for yet": (
        [read("r4", 4.2, allowed=True, process="three")],
        {"every_answer_is_explained", "the_revision_is_the_one_that_decided"},
    ),
    "a reason that is not the right one": (
        [read("r3", 3.3, allowed=False, answer=Answer(False, "not_a_member", "r3", "d"))],
        {"every_answer_is_explained", "the_revision_is_the_one_that_decided"},
    ),
    "rules that no sidecar was given": (
        [read("r3", 3.3, allowed=False, answer=Answer(False, "no_matching_rule", "r3", "e"))],
        {
            "the_rules_are_those_that_were_loaded",
            "every_answer_is_explained",
            "the_revision_is_the_one_that_decided",
        },
    ),
    "a token that is not honoured": (
        [read("r2", 2.3, allowed=True, process="three", session="s", demand=at_least("r3"))],
        {"a_token_is_honoured", "every_answer_is_explained"},
    ),
    "a token holder that goes back": (
        # The token of the second answer is r2, and still it comes after r3.
        [
            read("r3", 2.3, allowed=False, session="s", process="two"),
            read("r3", 2.5, allowed=False, session="s", process="two", demand=at_least("r3")),
            read("r2", 2.7, allowed=True, session="s", process="three", demand=at_least("r3")),
        ],
        {"a_token_holder_never_goes_back", "a_token_is_honoured", "every_answer_is_explained"},
    ),
    "a sidecar that goes back": (
        [read("r2", 2.5, allowed=True, process="two")],
        {"a_sidecar_never_goes_back"},
    ),
    "full consistency behind an acknowledged write": (
        [read("r2", 2.2, allowed=True, process="three", demand=FULLY)],
        {"full_consistency_sees_what_was_acknowledged", "every_answer_is_explained"},
    ),
    "full consistency behind what another was told": (
        [
            replace(WRITES[1], told=4.0, session="slow"),
            read("r2", 2.6, allowed=True, process="three", demand=FULLY),
        ],
        {"full_consistency_sees_what_was_acknowledged", "every_answer_is_explained"},
    ),
    "an answer past the servers' bound": (
        [read("r2", 3.3, allowed=True, process="three")],
        {"no_answer_is_staler_than_the_bound", "every_answer_is_explained"},
    ),
    "an answer past the request's own bound": (
        [read("r2", 2.6, allowed=True, process="three", demand=Demand(Mode.MAX_STALENESS, bound=0.3))],
        {"no_answer_is_staler_than_the_bound", "every_answer_is_explained"},
    ),
    "an acknowledged write that the feed does not know": (
        [write(GRANTED, "r9", 3.0)],
        {"what_was_acknowledged_is_kept"},
    ),
    "an acknowledged write that did something else": (
        [write(Effect(ANN, {}), "r3", 2.0)],
        {"what_was_acknowledged_is_kept"},
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_each_fault_is_found(case):
    """A history that is wrong in one way breaks the claims that speak of it, and no others."""
    operations, expected = BAD[case]
    assert broken([*GOOD, *operations]) == expected


def test_every_claim_has_a_history_that_breaks_it():
    """No claim stands there that could not fail."""
    seen = {claim for _, claims in BAD.values() for claim in claims} | {"nothing_happens_unasked"}
    assert seen == {claim.__name__ for claim in CLAIMS}


def test_a_state_that_no_write_made_is_found():
    """What no client asked for has not happened: neither a change of another thing, nor one write twice."""
    other = State("r5", {**STATES[-1].entries, ANN: {}}, frozenset({ANN}))
    assert broken(GOOD, [*STATES, other]) == {"nothing_happens_unasked"}
    again = (*STATES, replace(STATES[3], revision="r5"), replace(STATES[4], revision="r6"))
    lost = write(REVOKED, "", 6.0, outcome=Outcome.UNKNOWN)
    assert broken([*GOOD, lost], again[:6]) == set()
    assert broken([*GOOD, lost], again) == {"nothing_happens_unasked"}


def test_a_write_without_an_answer_may_have_happened_or_not():
    """The feed tells, and reads may see it from the moment it was asked for; not before."""
    lost = (WRITES[0], write(REVOKED, "", 2.0, told=4.0, outcome=Outcome.UNKNOWN))
    seen = read("r3", 2.2, allowed=False, process="two")
    assert broken([*lost, seen], STATES[:4]) == set()
    assert broken(lost, STATES[:3]) == set()
    early = read("r3", 1.5, allowed=False)
    assert broken([*lost, early], STATES[:4]) == {"the_revision_is_the_one_that_decided"}


def test_a_write_without_an_answer_may_want_what_is_there():
    """A state that was there before any client wrote is not taken for the work of one that wants the same."""
    lost = write(Effect(("member", ("bob",)), {"status": "active"}), "", 0.8, outcome=Outcome.UNKNOWN)
    assert broken([*GOOD, lost]) == set()


def test_a_write_that_found_all_done_says_nothing_of_when():
    """A grant that was there already is answered with the revision it found, which is older than the question."""
    assert broken([*GOOD, write(GRANTED, "r4", 7.0)]) == set()


def test_a_refused_write_has_not_happened():
    """A state that only a refused write can have made is one that nobody asked for."""
    refused = write(GRANTED, "", 1.0, outcome=Outcome.REFUSED)
    assert broken([refused], STATES[:3]) == {"nothing_happens_unasked"}


def test_an_unknown_tenant_needs_no_rules():
    """Before its first revision a tenant is unknown, whatever the rules; afterwards that is no answer any more."""
    answer = Answer(False, "tenant_unknown", "")
    assert broken([read("", 0.1, allowed=False, answer=answer)], STATES[:1]) == set()
    assert "every_answer_is_explained" in broken([*GOOD, read("", 4.0, allowed=False, answer=answer)])


moments = st.floats(0.0, 6.0).map(lambda moment: round(moment, 3))


@st.composite
def right_reads(draw: st.DrawFn) -> Read:
    """Draw a read of an atomic store: its answer is that of the moment, of one up to `lag` before it."""
    asked, took = draw(moments), draw(st.floats(0.001, 0.3))
    commits = [(0.0, 1), *((it.asked + draw(st.floats(0.0, 0.1)), n) for n, it in enumerate(WRITES, 2))]
    mode = draw(st.sampled_from(Mode))
    lag = {Mode.FULLY_CONSISTENT: 0.0, Mode.MAX_STALENESS: 0.3}.get(mode, BOUND)
    moment = asked + draw(st.floats(-lag, took * 0.9))
    place = max([n for at, n in commits if at <= moment], default=1)
    token = STATES[draw(st.integers(1, place))].revision if mode is Mode.AT_LEAST_AS_FRESH else ""
    demand = Demand(mode, token, 0.3 if mode is Mode.MAX_STALENESS else None)
    # Each has a sidecar and a session of its own: how those relate is drawn by no rule here.
    name = f"{asked}{took}{moment}{mode}"
    allowed = GRANT in STATES[place].entries
    return replace(
        read(STATES[place].revision, asked, allowed=allowed, demand=demand),
        told=asked + took,
        process=name,
        session=name,
    )


@unhurried
@given(right_reads())
def test_what_one_atomic_store_answers_breaks_nothing(one):
    """Whatever is read of a store that changes at single moments within each write passes, in every mode."""
    assert broken([*WRITES, one]) == set()


@unhurried
@given(right_reads(), st.sampled_from(["answer", "late"]))
def test_what_is_altered_is_noticed(one, how):
    """An answer turned round, or told long after its state was past, is noticed by whatever read it is."""
    assert one.answer is not None
    if how == "answer":
        wrong = replace(one.answer, allowed=not one.answer.allowed)
        assert "the_revision_is_the_one_that_decided" in broken([*WRITES, replace(one, answer=wrong)])
    elif one.answer.revision != "r4":
        assert "no_answer_is_staler_than_the_bound" in broken([*WRITES, replace(one, asked=10.0, told=10.1)])
