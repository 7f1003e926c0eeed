"""The checker of histories: it passes what is right, and each claim has a history that breaks it and nothing less."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.histories.claims import CLAIMS
from support.histories.handmade import ANN, FULLY, GOOD, GRANTED, REVOKED, STATES, WRITES, at_least, broken, read, write
from support.histories.record import Answer, Demand, Effect, Mode, Outcome
from support.histories.timeline import State


def test_a_right_history_passes():
    """Reads beside writes, reads behind within the bound, pages that end early, and every mode: nothing is broken."""
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
    "full consistency behind what another client was answered": (
        [
            replace(WRITES[1], answered_at=4.0, session="slow"),
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
    "a batch in which one question is both allowed and denied": (
        [
            read("r2", 2.05, allowed=True, process="five", batch="mixed"),
            read("r3", 2.05, allowed=False, process="five", batch="mixed"),
        ],
        {"a_batch_is_of_one_state"},
    ),
    "a batch that is decided by two packs": (
        [
            read("r3", 3.3, allowed=False, batch="mixed"),
            read("r3", 3.3, allowed=False, batch="mixed", answer=Answer(False, "no_matching_rule", "r3", "e")),
        ],
        {
            "a_batch_is_of_one_state",
            "the_rules_are_those_that_were_loaded",
            "every_answer_is_explained",
            "the_revision_is_the_one_that_decided",
        },
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
OF_PAGES = {
    "a_page_is_never_older_than_the_one_before",
    "a_page_is_full_or_says_why_not",
    "nothing_is_lost_between_pages",
}


@pytest.mark.parametrize("case", BAD)
def test_each_fault_is_found(case):
    """A history that is wrong in one way breaks the claims that speak of it, and no others."""
    operations, expected = BAD[case]
    assert broken([*GOOD, *operations]) == expected


def test_every_claim_has_a_history_that_breaks_it():
    """A Check or a write can break every claim, except the claims about pages."""
    seen = {claim for _, claims in BAD.values() for claim in claims} | {"nothing_happens_unasked"}
    assert seen == {claim.__name__ for claim in CLAIMS} - OF_PAGES


def test_a_state_that_no_write_made_is_found():
    """What no client asked for has not happened: neither a change of another thing, nor one write twice."""
    other = State("r5", {**STATES[-1].entries, ANN: {}}, frozenset({ANN}))
    assert broken(GOOD, [*STATES, other]) == {"nothing_happens_unasked"}
    again = (*STATES, replace(STATES[3], revision="r5"), replace(STATES[4], revision="r6"))
    lost = write(REVOKED, "", 6.0, outcome=Outcome.UNKNOWN)
    assert broken([*GOOD, lost], again[:6]) == set()
    assert broken([*GOOD, lost], again) == {"nothing_happens_unasked"}


def test_a_write_without_an_answer_may_have_happened_or_not():
    """The feed shows whether it did, and reads may see it from the time of the request on; not before."""
    lost = (WRITES[0], write(REVOKED, "", 2.0, answered_at=4.0, outcome=Outcome.UNKNOWN))
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
