"""The checker of histories holds lists to all that it holds Checks to, and to what is said of their pages."""

from __future__ import annotations

import pytest

from support.histories.claims import CLAIMS
from support.histories.handmade import EARLIER, FIRST, FULLY, GOOD, at_least, broken, listed
from support.histories.record import Demand, Mode, Part

WRONG = {"every_answer_is_explained", "the_revision_is_the_one_that_decided"}
LAST = listed("r3", 2.3, "d0", "d2", size=2, token="1", session="s", process="two")
HANDED = listed("r3", 2.3, "d0", size=1, token="1", session="s", process="two")
BAD = {
    "what was revoked, on a list with its token": (
        [listed("r3", 3.0, "d0", "d1", "d2", demand=at_least("r3"))],
        WRONG,
    ),
    "who was revoked, on a list": ([listed("r3", 3.3, "bob", part=Part.SUBJECT)], WRONG),
    "an action that was revoked, on a list": ([listed("r3", 3.3, "view", part=Part.ACTION)], WRONG),
    "nothing on a list that is not empty": ([listed("r3", 3.0)], WRONG),
    "a list that leaves out its last": ([listed("r3", 3.0, "d0")], WRONG),
    "a list in another order": ([listed("r3", 3.0, "d2", "d0")], WRONG),
    "a thing that is not there, on a list": ([listed("r3", 3.0, "d0", "d2", "d9")], WRONG),
    "a reason of a list that is not the right one": ([listed("r3", 3.0, "d0", "d2", reason="member_inactive")], WRONG),
    "a tenant that is there, and a list that does not know it": (
        [listed("", 3.0, digest="", reason="tenant_unknown")],
        {"every_answer_is_explained", "a_sidecar_never_goes_back", "no_answer_is_staler_than_the_bound"},
    ),
    "a list that names another revision than it was made from": (
        [listed("r3", 2.9, "d0", "d1", "d2", process="three")],
        {"the_revision_is_the_one_that_decided"},
    ),
    "a list of a revision that never was": (
        [listed("r9", 0.6, "d0", "d2", process="three")],
        {"the_revision_is_the_one_that_decided", "no_answer_is_staler_than_the_bound"},
    ),
    "a list from a state that nobody had asked for yet": (
        [listed("r4", 4.2, "d0", "d1", "d2", process="three")],
        WRONG,
    ),
    "a list by rules that no sidecar was given": (
        [listed("r3", 3.3, "d0", "d2", digest="e")],
        {*WRONG, "the_rules_are_those_that_were_loaded"},
    ),
    "a list that does not honour a token": (
        [listed("r2", 2.3, "d0", "d1", "d2", process="three", session="s", demand=at_least("r3"))],
        {"a_token_is_honoured", "every_answer_is_explained"},
    ),
    "a sidecar whose list goes back": (
        [listed("r2", 2.5, "d0", "d1", "d2", process="two")],
        {"a_sidecar_never_goes_back"},
    ),
    "a fully consistent list behind an acknowledged write": (
        [listed("r2", 2.2, "d0", "d1", "d2", process="three", demand=FULLY)],
        {"full_consistency_sees_what_was_acknowledged", "every_answer_is_explained"},
    ),
    "a list past the servers' bound": (
        [listed("r2", 3.3, "d0", "d1", "d2", process="three")],
        {"no_answer_is_staler_than_the_bound", "every_answer_is_explained"},
    ),
    "a list past the request's own bound": (
        [listed("r2", 2.6, "d0", "d1", "d2", process="three", demand=Demand(Mode.MAX_STALENESS, bound=0.3))],
        {"no_answer_is_staler_than_the_bound", "every_answer_is_explained"},
    ),
    "a page from an older state than the one before": (
        [LAST, listed("r2", 2.5, size=2, session="s", process="three", before=LAST)],
        {"a_page_is_never_older_than_the_one_before", "a_token_holder_never_goes_back"},
    ),
    "a page that only an older state than that of the one before explains": (
        [HANDED, listed("r2", 2.6, "d1", "d2", session="t", process="three", before=HANDED)],
        {"a_page_is_never_older_than_the_one_before", "every_answer_is_explained"},
    ),
    "a page that goes on where it should not": (
        [listed("r2", 1.7, "d2", size=1, before=FIRST)],
        WRONG,
    ),
    "a page that repeats an ID": ([listed("r2", 1.7, "d0", "d1", "d2", before=FIRST)], WRONG),
    "a page that is longer than asked for": (
        [listed("r3", 3.0, "d0", "d2", size=1)],
        {"a_page_is_full_or_says_why_not"},
    ),
    "a page that is not full, and does not say why": (
        [listed("r3", 3.0, "d0", size=2, token="1")],
        {"a_page_is_full_or_says_why_not"},
    ),
    "a page that ended early, and is the last": (
        [listed("r3", 3.0, "d0", "d2", partial=True)],
        {"a_page_is_full_or_says_why_not"},
    ),
    "an ID that neither of two pages has": (
        [listed("r2", 1.75, "d2", before=EARLIER)],
        {"nothing_is_lost_between_pages"},
    ),
    "what is left out behind the first ID of a page": (
        [listed("r2", 1.75, "d1", before=EARLIER)],
        WRONG,
    ),
    "a last page without an ID that no page before can have had": (
        [listed("r2", 1.75, before=EARLIER)],
        {"nothing_is_lost_between_pages"},
    ),
}
OF_OTHERS = {"what_was_acknowledged_is_kept", "nothing_happens_unasked", "a_batch_is_of_one_state"}


@pytest.mark.parametrize("case", BAD)
def test_each_fault_of_a_list_is_found(case):
    """A list that is wrong in one way breaks the claims that speak of it, and no others."""
    operations, expected = BAD[case]
    assert broken([*GOOD, *operations]) == expected


def test_every_claim_has_a_list_that_breaks_it():
    """A list can break every claim about answers but that about batches, which hold no lists."""
    seen = {claim for _, claims in BAD.values() for claim in claims}
    assert seen == {claim.__name__ for claim in CLAIMS} - OF_OTHERS
