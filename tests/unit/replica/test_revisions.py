"""Which revisions tenants came through: the store is asked for few of them, and never believed too long."""

from __future__ import annotations

import asyncio

import pytest

from sidegate.model.revision import Revision
from sidegate.replica import revisions as passed
from sidegate.replica.revisions import RevisionHistory

HERE = Revision(9, 900)


class Book:
    """Revisions of one history, which counts who asks; `open` lets the answers go."""

    def __init__(self) -> None:
        self.revisions = {number: Revision(number, 100 * number) for number in range(1, 10)}
        self.asked: list[int] = []
        self.open = asyncio.Event()
        self.open.set()

    async def revision(self, tenant: str, number: int) -> Revision | None:
        self.asked.append(number)
        found = self.revisions.get(number) if tenant == "acme" else None
        await self.open.wait()
        return found


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def revisions(book: Book) -> RevisionHistory:
    return RevisionHistory(book)


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        (HERE, True),
        (Revision(9, 899), False),
        (Revision(9, 901), False),
        (Revision(10, 901), False),
        (Revision(10, 899), False),
        (Revision(8, 900), False),
        (Revision(8, 901), False),
    ],
)
async def test_what_times_and_numbers_prove_needs_no_read(revisions, book, wanted, reached):
    """The revision itself is reached; one of its number or later, and one that is not older, can't have been."""
    assert await revisions.reached("acme", wanted, here=HERE) is reached
    assert book.asked == []


async def test_what_was_followed_is_known(revisions, book):
    """A token of a write that came over the feed costs no question, also while the store is away."""
    book.open.clear()
    revisions.record("acme", Revision(8, 800))
    assert await revisions.reached("acme", Revision(8, 800), here=HERE)
    assert not await revisions.reached("acme", Revision(8, 799), here=HERE)
    assert book.asked == []


async def test_what_is_older_is_asked_once(revisions, book):
    """The store knows whether a revision existed; its answer is used until the history is another one."""
    for _ in range(3):
        assert await revisions.reached("acme", Revision(2, 200), here=HERE)
        assert not await revisions.reached("acme", Revision(2, 201), here=HERE)
    assert book.asked == [2]
    book.revisions[2] = Revision(2, 201)
    revisions.invalidate_all()
    assert not await revisions.reached("acme", Revision(2, 200), here=HERE)
    assert await revisions.reached("acme", Revision(2, 201), here=HERE)
    assert book.asked == [2, 2]


async def test_what_is_not_there_may_come(revisions, book):
    """That a revision was missing is not remembered, and one of another tenant is none of this one."""
    assert not await revisions.contains("acme", Revision(10, 1000))
    book.revisions[10] = Revision(10, 1000)
    assert await revisions.contains("acme", Revision(10, 1000))
    assert not await revisions.contains("zeta", Revision(10, 1000))


async def test_what_was_asked_before_all_was_forgotten_is_asked_again(revisions, book):
    """An answer from the old history, which arrives after another one was noticed, is not used."""
    book.open.clear()
    asking = asyncio.create_task(revisions.contains("acme", Revision(2, 200)))
    await asyncio.sleep(0)
    book.revisions[2] = Revision(2, 250)
    revisions.invalidate_all()
    book.open.set()
    assert not await asking
    assert await revisions.contains("acme", Revision(2, 250))
    assert book.asked == [2, 2]


async def test_memory_is_bounded(revisions, book, monkeypatch):
    """The revisions that were asked for least lately go out; they can be asked of the store again."""
    monkeypatch.setattr(passed, "REMEMBERED", 2)
    revisions.invalidate_all()
    for number in (1, 2, 3):
        revisions.record("acme", Revision(number, 100 * number))
    assert await revisions.contains("acme", Revision(3, 300))
    assert await revisions.contains("acme", Revision(1, 100))
    assert book.asked == [1]
