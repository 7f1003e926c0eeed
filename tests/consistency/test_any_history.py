"""The checker of histories, put to whatever one atomic store can answer, and to that with something altered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from support.histories.handmade import BOUND, GRANT, STATES, WRITES, broken, listed, read
from support.histories.record import Answer, Demand, Mode, Page, Part, Read
from support.unhurried import unhurried

times = st.floats(0.0, 6.0).map(lambda time: round(time, 3))


@st.composite
def right_reads(draw: st.DrawFn) -> Read:
    """Draw a read of an atomic store: it is answered from the state at that time or up to `lag` before."""
    asked, took = draw(times), draw(st.floats(0.001, 0.3))
    mode = draw(st.sampled_from(Mode))
    lag = {Mode.FULLY_CONSISTENT: 0.0, Mode.MAX_STALENESS: 0.3}.get(mode, BOUND)
    number = draw(state_numbers(asked + draw(st.floats(-lag, took * 0.9))))
    token = STATES[draw(st.integers(1, number))].revision if mode is Mode.AT_LEAST_AS_FRESH else ""
    demand = Demand(mode, token, 0.3 if mode is Mode.MAX_STALENESS else None)
    # Each has a sidecar and a session of its own: how those relate is drawn by no rule here.
    name = f"{asked}{took}{number}{mode}"
    details = {"demand": demand, "answered_at": asked + took, "process": name, "session": name}
    part = draw(st.sampled_from([None, *Part]))
    if part is None:
        return read(STATES[number].revision, asked, allowed=GRANT in STATES[number].entries, **details)
    return listed(STATES[number].revision, asked, *allowed(number, part), part=part, **details)


@st.composite
def state_numbers(draw: st.DrawFn, time: float) -> int:
    """Draw a state that an atomic store can have had at a time: a write takes effect between request and answer."""
    commits = [(0.0, 1), *((it.asked + draw(st.floats(0.0, 0.1)), n) for n, it in enumerate(WRITES, 2))]
    return max([n for at, n in commits if at <= time], default=1)


def allowed(number: int, part: Part) -> Sequence[str]:
    """Return the IDs that a list has in a state."""
    granted = GRANT in STATES[number].entries
    if part is Part.RESOURCE:
        return ("d0", "d1", "d2") if granted else ("d0", "d2")
    return ({Part.SUBJECT: "bob", Part.ACTION: "view"}[part],) if granted else ()


@st.composite
def right_walks(draw: st.DrawFn) -> list[Read]:
    """Draw the pages of a list of an atomic store: each goes on from where the one before ended, early or not."""
    walk: list[Read] = []
    asked, reached, size = draw(times), "", draw(st.integers(1, 3))
    while not walk or walk[-1].answer.token:
        number = draw(state_numbers(asked))
        ends = draw(st.sampled_from([None, "d", "d0", "d1", "d1x", "d2", "d3"])) if len(walk) < 3 else None
        ids = [id_ for id_ in allowed(number, Part.RESOURCE) if reached < id_ and (ends is None or id_ <= ends)]
        full, partial = len(ids) > size, ends is not None
        ids, reached = ids[:size], ids[size - 1] if full else max(reached, ends or "")
        made = {"size": size, "before": walk[-1] if walk else None, "token": f"{len(walk)}" if full or partial else ""}
        name = f"walk {len(walk)}"
        one = listed(STATES[number].revision, asked, *ids, partial=partial and not full, **made)
        walk.append(replace(one, process=name, session=name))
        asked += draw(st.floats(0.11, 1.0))
    return walk


@unhurried
@given(right_reads())
def test_what_one_atomic_store_answers_breaks_nothing(one):
    """Whatever is read of a store that changes at one time within each write passes, in every mode."""
    assert broken([*WRITES, one]) == set()


@unhurried
@given(right_walks())
def test_a_list_of_one_atomic_store_breaks_nothing(walk):
    """Pages pass that go on behind one another while the store changes, wherever they end."""
    assert broken([*WRITES, *walk]) == set()


@unhurried
@given(right_walks(), st.data())
def test_what_a_list_leaves_out_is_noticed(walk, data):
    """What is allowed all the time and on none of the pages is missed, wherever pages end."""
    missing = data.draw(st.sampled_from(["d0", "d2"]))
    left: list[Read] = []
    for page in walk:
        ids = tuple(id_ for id_ in page.answer.ids if id_ != missing)
        before = left[-1] if left else None
        # So that the page is not noticed only for being short.
        partial = page.answer.partial or (ids != page.answer.ids and bool(page.answer.token))
        answer = replace(page.answer, ids=ids, partial=partial)
        left.append(replace(page, answer=answer, question=replace(page.question, before=before)))
    assert broken([*WRITES, *left]) & {"the_revision_is_the_one_that_decided", "nothing_is_lost_between_pages"}


@unhurried
@given(right_reads(), st.sampled_from(["answer", "late"]))
def test_what_is_altered_is_noticed(one, how):
    """An answer that is inverted, or given long after its state was past, is noticed for every kind of read."""
    assert one.answer is not None
    if how == "answer":
        wrong = turned_round(one.answer)
        assert "the_revision_is_the_one_that_decided" in broken([*WRITES, replace(one, answer=wrong)])
    elif one.answer.revision != "r4":
        assert "no_answer_is_staler_than_the_bound" in broken([*WRITES, replace(one, asked=10.0, answered_at=10.1)])


def turned_round(answer: Answer | Page) -> Answer | Page:
    """Return an answer that says the contrary."""
    if isinstance(answer, Page):
        return replace(answer, ids=() if answer.ids else ("d1",))
    return replace(answer, allowed=not answer.allowed)
