"""`sidegate list`: what a Check would allow, read page by page, and printed for people and for programs."""

from __future__ import annotations

import asyncio
import json

import pytest

from sidegate.decision.search import search
from sidegate.errors import StoreUnavailable
from sidegate.model.decision import Allowed, AllowedPage, PartialReason
from sidegate.model.revision import Revision
from support.decisions.deciding import apply, deciding
from support.servers.cli import Done, invoke, sidegate
from support.servers.sidecar import serving

WORDS = {
    "resources": ("uma", "view", "document"),
    "subjects": ("view", "document:contract"),
    "actions": ("uma", "document:contract"),
}


pytestmark = pytest.mark.server("--demo")


@pytest.fixture
def listed(server):
    """Run a list against the demo tenant, in this process."""

    def run(what: str, *words: object) -> Done:
        return invoke("list", what, "--address", server.address, "--tenant", "demo", *words)

    return run


@pytest.mark.parametrize(
    ("what", "printed"),
    [
        ("resources", "resource           rule\ndocument:contract  ST-14\n"),
        ("subjects", "member  rule\nolivia  ST-01\numa     ST-14\nvic     ST-17\n"),
        ("actions", "action  rule\ndelete  ST-14\nedit    ST-14\nshare   ST-14\nview    ST-14\n"),
    ],
)
def test_each_list_shows_what_was_found_and_by_which_rule(server, listed, what, printed):
    """The words are in the order of `check`, without the one that is asked for; `check` allows each row by its rule."""
    done = listed(what, *WORDS[what])
    assert (done.code, done.out, done.err) == (0, printed, "")
    for found, rule in (line.split() for line in printed.splitlines()[1:]):
        asked = {
            "resources": ("uma", "view", found),
            "subjects": (found, "view", "document:contract"),
            "actions": ("uma", found, "document:contract"),
        }
        check = invoke("check", "--address", server.address, "--tenant", "demo", *asked[what])
        assert check.out.startswith("ALLOW")
        assert f"  rule        {rule}\n" in check.out


@pytest.mark.parametrize("what", WORDS)
def test_json_is_the_answer_of_the_wire(listed, what):
    """`--json` holds every field of the response by its name in the contract, and with --all the list as one answer."""
    whole = json.loads(listed(what, *WORDS[what], "--json").out)
    assert set(whole) == {what, "next_page_token", "outcome"}
    assert set(whole["outcome"]) == {"partial", "reason", "rule", "policy_digest", "revision"}
    assert whole["outcome"]["revision"]
    assert json.loads(listed(what, *WORDS[what], "--json", "--all", "--limit", 1).out) == whole


@pytest.mark.parametrize("what", ["subjects", "actions"])
def test_a_page_names_the_next_one(listed, what):
    """Pages follow one another by the token that each ends with, and show together what one page shows."""
    whole = listed(what, *WORDS[what]).out.splitlines()[1:]
    found, more = [], ()
    while True:
        printed = listed(what, *WORDS[what], "--limit", 2, *more).out
        rows, _, token = printed.partition("\nThere are more: --page ")
        assert len(rows.splitlines()[1:]) <= 2
        found += rows.splitlines()[1:]
        if not token:
            break
        more = ("--page", token.strip())
    assert found == whole
    assert listed(what, *WORDS[what], "--limit", 1, "--all").out.splitlines()[1:] == whole


@pytest.mark.parametrize(
    ("what", "words", "reason"),
    [
        (
            "resources",
            ("pia", "view", "document"),
            "the member was invited and has not yet accepted (member_pending)",
        ),
        (
            "resources",
            ("nobody", "view", "document"),
            "the subject is not a member of the tenant (not_a_member), ST-22",
        ),
        ("resources", ("uma", "sing", "document"), "the type of resource has no such action (unknown_action)"),
        ("subjects", ("view", "song:x"), "the tenant's pack has no such type of resource (unknown_resource_type)"),
        ("actions", ("service:x", "document"), "the subject is not a member of the tenant (not_a_member), ST-22"),
    ],
)
def test_why_nothing_can_be_found_is_said_in_words(listed, what, words, reason):
    """Where no rule need be asked to know that nothing is allowed, the reason is printed; that is an answer, too."""
    done = listed(what, *words)
    assert done.code == 0
    assert done.out.startswith(f"Nothing: {reason}")


def test_an_empty_list_says_so(listed):
    """No rule allows uma to delete a template, and nothing but that sentence is printed."""
    assert listed("resources", "uma", "delete", "template") == Done(0, "Nothing found\n", "")


def test_a_type_alone_asks_about_the_type_as_a_whole(listed):
    """As with `check`, `template` means `template:*`."""
    assert listed("subjects", "register", "template").out == "member  rule\nadam    ST-07\nolivia  ST-01\n"
    assert listed("subjects", "register", "template:*").out == listed("subjects", "register", "template").out
    assert listed("actions", "adam", "template").out.split()[2::2] == ["clone", "register", "view_settings"]


def test_every_way_to_say_more_reaches_the_server(listed):
    """Properties, claims, context and freshness are those of `check`."""
    revision = json.loads(listed("actions", *WORDS["actions"], "--json").out)["outcome"]["revision"]
    more = ("--property", "status=draft", "--subject-property", 'tags=["a"]', "--context", "ip=10.0.0.1")
    for fresh in (("--fully-consistent",), ("--at-least-as-fresh", revision)):
        assert "document:contract" in listed("resources", *WORDS["resources"], *more, *fresh).out
    done = listed("resources", *WORDS["resources"], "--at-least-as-fresh", "x")
    assert (done.code, done.out) == (2, "")
    assert "consistency.at_least_as_fresh: " in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("resources", "uma", "view", "document:contract"), "expected a type alone, such as `document`"),
        (("resources", "uma", "view", "document", "--limit", 1001), "1001 is not in the range"),
        (("actions", "uma", "document", "--fully-consistent", "--at-least-as-fresh", "x"), "exclude each other"),
        (("subjects", "VIEW!", "document:contract"), "action: "),
        (("actions", "uma", "document", "--page", "x"), "page_token: "),
    ],
)
def test_wrong_input_is_named(listed, words, message):
    """Each wrong field of the words or the page is named, with the exit code of bad input."""
    done = listed(*words)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


ROLES = ", ".join(f"Own{number}: {{permissions: {{template: [view_settings]}}}}" for number in range(65))
DOCUMENTS = ", ".join(f"document:d{number}: {{}}" for number in range(9))
FACTS = f"""\
tenants:
  acme:
    pack: standard
    members: {{ann: {{roles: [owner]}}, uma: {{roles: [member]}}}}
    roles: {{{ROLES}}}
    resources: {{{DOCUMENTS}, document:last: {{owner: uma}}}}
"""
"""More custom roles than a list checks one by one, so that it asks about every document."""


async def test_a_page_that_ends_early_says_why_and_how_to_go_on(tmp_path, monkeypatch):
    """What has no time to find anything yet says so and names the page to go on with; --all goes on by itself."""
    monkeypatch.setattr(search, "SECONDS", 0.0)
    async with deciding(tmp_path / "facts.db") as core:
        await apply(core, FACTS)
        async with serving(core.decider, search=core.search) as running:
            words = ("--address", running.addresses[0], "--tenant", "acme", "uma", "view", "document", "--limit", "2")
            first = await asyncio.to_thread(sidegate, "list", "resources", *words)
            whole = await asyncio.to_thread(sidegate, "list", "resources", *words, "--all")
            page = await asyncio.to_thread(sidegate, "list", "resources", *words, "--page", first.out.split()[-1])
    why = "the time of one call was spent on those that are not allowed"
    assert first.code == 0
    assert first.out.startswith(f"The page ends early: {why}.\nThere may be more: --page ")
    assert page.out.startswith("The page ends early")
    assert page.out != first.out
    assert whole == Done(0, "resource       rule\ndocument:last  ST-14\n", "")


class Scripted:
    """A search that returns pages, or raises the error that is in place of one."""

    def __init__(self, *pages: AllowedPage | Exception) -> None:
        self._pages = list(pages)

    async def subjects(self, asked: search.ListQuery) -> AllowedPage:
        page = self._pages[0 if not asked.after else int(asked.after)]
        if isinstance(page, Exception):
            raise page
        return page


CHANGED = AllowedPage((Allowed("ann", "R1"),), "1", PartialReason.FACTS_CHANGED, revision=Revision(7, 70))
LAST = AllowedPage((Allowed("uma", "R2"),), revision=Revision(8, 80))


async def asked(*pages: AllowedPage | Exception, more: tuple[str, ...] = ()) -> Done:
    async with serving(search=Scripted(*pages)) as running:
        words = ("--address", running.addresses[0], "--tenant", "acme", "view", "document:d1", *more)
        return await asyncio.to_thread(sidegate, "list", "subjects", *words)


async def test_pages_of_several_revisions_are_marked():
    """A page that facts cut short says so; a list of several revisions, which shows no state of any time, says that."""
    first = await asked(CHANGED, LAST)
    assert "\nThe page ends early: the facts changed meanwhile, and a page is of one revision.\n" in first.out
    whole = await asked(CHANGED, LAST, more=("--all",))
    table = "member  rule\nann     R1\numa     R2\n"
    assert whole == Done(0, f"{table}\nThe facts changed meanwhile: these pages are of 2 revisions.\n", "")


@pytest.mark.parametrize("shown", [(), ("--json",)])
async def test_a_list_that_could_not_be_read_to_its_end_is_none(shown):
    """Where a later page has no answer nothing is printed that looks like a whole list, and the exit code is 3."""
    done = await asked(CHANGED, StoreUnavailable("away"), more=("--all", *shown))
    assert (done.code, done.out) == (3, "")
    assert done.err == "error: the store does not answer; try again (STORE_UNAVAILABLE)\n"
