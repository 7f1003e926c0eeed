"""Pages that end before they are full, because of the time or of a writer: they say so, and nothing is lost by it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sidegate.bootstrap import Core
from sidegate.decision.search import ids as listed_ids
from sidegate.decision.search import search
from sidegate.decision.search.search import ListQuery
from sidegate.errors import TooStale
from sidegate.model.decision import AllowedPage, PartialReason
from sidegate.model.question import Request, Resource, Subject
from support.decisions.deciding import apply, ask, deciding
from support.facts.contending_writer import add_member
from support.packs.packs import write_pack

DOCUMENTS = [f"d{number:02}" for number in range(30)]
PEOPLE = [f"m{number:02}" for number in range(30)]
ALLOWED = ("06", "08", "24", "27")
"""The first and the last of each batch, where candidates are decided by threes."""
FACTS = "\n".join(
    [
        "tenants:",
        "  acme:",
        "    pack: open",
        "    members:",
        *(f"      {member}: {{}}" for member in PEOPLE),
        "    resources:",
        *(f"      document:{one}: {{}}" for one in DOCUMENTS),
        "    grants:",
        *(f"      - {{role: viewer, on: 'document:d{one}', to: member:m07}}" for one in ALLOWED),
        *(f"      - {{role: viewer, on: 'document:d07', to: member:m{one}}}" for one in ALLOWED),
    ]
)
REVOKED = FACTS.replace("'document:d24', to: member:m07", "'document:d25', to: member:m07").replace(
    "'document:d07', to: member:m24", "'document:d07', to: member:m25"
)
"""A grant near the end moves to the next one."""
SCHEMA = """\
name: open
description: Documents that their viewers see, and everyone while they are shown.
settings: {count: {type: integer}}
roles: {viewer: {on: [document]}}
resources:
  document: {actions: [view], properties: {shown: {type: boolean, from: stored}}}
rules:
  OP-01: {text: Viewers view.}
  OP-02: {text: What is shown is viewed by everyone.}
"""
ROWS = """\
p, viewer, document, document, view, True, allow, OP-01
p, *, tenant, document, view, r.obj.shown, allow, OP-02
"""
"""The second row lets anyone in, so that a list asks about everything."""
KINDS = {
    "resources": (Request("acme", Subject("m07"), "view", Resource("document", "")), DOCUMENTS, "resource_page"),
    "subjects": (Request("acme", Subject(""), "view", Resource("document", "d07")), PEOPLE, "members"),
}


@pytest.fixture(params=KINDS)
async def listing(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Any]:
    """Yield a chain that decides by threes, its list, and how the store is read for it."""
    pack = write_pack(tmp_path / "packs" / "open", schema=SCHEMA, rows=ROWS)
    monkeypatch.setattr(listed_ids, "PAGE", 3)
    monkeypatch.setattr(search, "BATCH", 3)
    monkeypatch.setattr(search, "SECONDS", 600.0)
    settings = {"policies": pack.parent, "default_pack": "open", "poll_interval": 59, "max_staleness": 60}
    async with deciding(tmp_path / "facts.db", **settings) as core:
        await apply(core, FACTS)
        yield Listing(core, request.param)


class Listing:
    """One list of a chain."""

    def __init__(self, core: Core, kind: str) -> None:
        self.core = core
        self.request, self.candidates, self.read = KINDS[kind]
        self.search: Callable[[ListQuery], Awaitable[AllowedPage]] = getattr(core.search, kind)

    async def page(self, after: str = "", size: int = 50) -> AllowedPage:
        return await self.search(ListQuery(self.request, after, size))

    async def pages(self, size: int = 50) -> list[AllowedPage]:
        """Return all pages to the end."""
        pages = [await self.page(size=size)]
        while pages[-1].reached is not None:
            pages.append(await self.page(pages[-1].reached, size))
        return pages

    async def checked(self) -> list[str]:
        """Return whom or what Checks allow now."""
        question = "{} view document:d07" if self.request.resource.id else "m07 view document:{}"
        return [one for one in self.candidates if (await ask(self.core, question.format(one))).allowed]

    def before_reads(self, monkeypatch: pytest.MonkeyPatch, act: Callable[[int], Awaitable[object]]) -> None:
        """Let something happen before each read of candidates, which gets the number of the read."""
        read, count = getattr(self.core.store, self.read), 0

        async def acting(*arguments: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            await act(count)
            return await read(*arguments, **more)

        monkeypatch.setattr(self.core.store, self.read, acting)


def ids(*pages: AllowedPage) -> list[str]:
    return [one.id for page in pages for one in page.found]


@pytest.mark.parametrize("size", [1, 2, 50])
async def test_what_the_time_did_not_reach_is_on_the_next_page(listing, monkeypatch, size):
    """A page whose time is spent ends where it is, often empty, and says so; all pages hold what Checks allow."""
    expected = await listing.checked()
    assert len(expected) == 4
    monkeypatch.setattr(search, "SECONDS", 0.0)
    pages = await listing.pages(size)
    assert ids(*pages) == expected
    spent = [page for page in pages if page.partial is PartialReason.TIME_SPENT]
    assert any(not page.found for page in spent)
    assert {page.partial for page in pages} <= {None, PartialReason.TIME_SPENT}
    assert (pages[-1].partial, pages[-1].reached) == (None, None)


async def test_a_write_between_two_reads_ends_the_page(listing, monkeypatch):
    """What was decided before it is returned with its revision; the next page continues from there, at a later one."""

    async def revoke(number: int) -> None:
        if number == 6:
            await apply(listing.core, REVOKED)

    listing.before_reads(monkeypatch, revoke)
    first, second = await listing.pages()
    assert (first.partial, second.partial) == (PartialReason.FACTS_CHANGED, None)
    assert (first.revision.number, second.revision.number) == (1, 2)
    assert [one[1:] for one in ids(first)] == ["06", "08"]
    assert [one[1:] for one in ids(second)] == ["25", "27"]
    assert ids(first, second) == await listing.checked()


async def test_a_write_before_anything_is_decided_starts_the_page_again(listing, monkeypatch):
    """Where nothing was decided yet the page is not ended but made again, from the newer facts."""

    async def revoke(number: int) -> None:
        if number == 1:
            await apply(listing.core, REVOKED)

    listing.before_reads(monkeypatch, revoke)
    (page,) = await listing.pages()
    assert (page.partial, page.revision.number) == (None, 2)
    assert ids(page) == await listing.checked()


async def test_a_write_before_each_read_leaves_no_page(listing, monkeypatch):
    """Facts that change before each read give TooStale after a few attempts, and neither a mixed nor an empty page."""
    writes = 0

    async def write(number: int) -> None:
        nonlocal writes
        writes += 1
        await add_member(listing.core.store, f"x{number}")

    listing.before_reads(monkeypatch, write)
    with pytest.raises(TooStale, match="change faster than they can be read"):
        await listing.page()
    assert writes == search.ATTEMPTS


async def test_a_list_ends_although_a_write_comes_after_each_read(listing, monkeypatch):
    """Each page moves on by one read at least, so that a list ends also where a write comes after each read."""

    async def write(number: int) -> None:
        if number % 2 == 0:
            await add_member(listing.core.store, f"x{number}")

    expected = await listing.checked()
    listing.before_reads(monkeypatch, write)
    pages = await listing.pages()
    assert ids(*pages) == expected
    assert len(pages) > 3
    assert {page.partial for page in pages[:-1]} == {PartialReason.FACTS_CHANGED}
    numbers = [page.revision.number for page in pages]
    assert numbers == sorted(numbers)
