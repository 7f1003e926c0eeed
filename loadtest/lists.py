"""What a page of a list costs, compared with a Check in the same run, in tenants of few and of many resources.

    PYTHONPATH=tests python loadtest/lists.py            a minute or two, up to 100,000 documents and members
    PYTHONPATH=tests python loadtest/lists.py --quick    small tenants only

All tenants are in one SQLite file and are asked in turn, in process, with pages of fifty.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from time import perf_counter_ns
from typing import Any, TypeAlias

from sidegate import bootstrap
from sidegate.bootstrap import Core
from sidegate.config.settings import GivenSettings
from sidegate.decision.search.search import ListQuery
from sidegate.model.decision import AllowedPage
from sidegate.model.facts import CustomRole, Grant, Group, Member, StoredResource, TenantFacts
from sidegate.model.question import Request, Resource, Subject
from sidegate.telemetry.logging import configure_logging
from support.facts.changes import changes_between

Questions: TypeAlias = Mapping[str, tuple[Callable[[Any], Awaitable[object]], Request]]
"""What is asked, by name: the function to call, and the question."""
PAGE = 50
CHECK = "a Check, in memory"
OWN_ROLES = 65
"""More roles of a tenant's own than a list considers one by one, so that it asks about every resource."""


@dataclass(frozen=True)
class Sizes:
    """How many documents and members the tenants have, and how often each question is asked."""

    documents: tuple[int, ...] = (1_000, 100_000)
    members: tuple[int, ...] = (100, 10_000, 100_000)
    times: int = 30


QUICK = Sizes(documents=(200, 400), members=(100, 200), times=3)


@dataclass
class Figures:
    """The answer to a question, and how long it took each time, in milliseconds."""

    answer: object
    spent: list[float] = field(default_factory=list)

    @property
    def size(self) -> str:
        """The number of entries in a page; "" where the answer is no page."""
        if not isinstance(self.answer, AllowedPage):
            return ""
        return f"{len(self.answer.found)}, partial" if self.answer.partial else f"{len(self.answer.found)}"

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.spent)


def with_documents(tenant: str, documents: int, *, own_roles: int = 0) -> TenantFacts:
    """Return a tenant of documents in ten templates, a hundredth of them owned by each of a hundred members."""
    names = ["olivia", "few", "none", "manager", *(f"m{n}" for n in range(100))]
    references = [f"document:d{n:06}" for n in range(documents)]
    grants = {Grant("owner", f"tenant:{tenant}", "member:olivia")}
    grants |= {Grant("owner", document, f"member:m{n % 100}") for n, document in enumerate(references)}
    grants |= {Grant("viewer", references[documents * part // 4], "member:few") for part in (1, 2, 3)}
    grants.add(Grant("document_manager", "template:t1", "member:manager"))
    resources = {f"template:t{n}": StoredResource("template", f"t{n}") for n in range(10)}
    resources |= {
        reference: StoredResource("document", reference.partition(":")[2], frozenset({f"template:t{n % 10}"}))
        for n, reference in enumerate(references)
    }
    permissions = {"template": frozenset({"view_settings"})}
    return TenantFacts(
        tenant,
        members={name: Member(name) for name in names},
        roles={name: CustomRole(name, permissions) for name in (f"Own{n}" for n in range(own_roles))},
        resources=resources,
        grants=frozenset(grants),
    )


def with_members(tenant: str, members: int) -> TenantFacts:
    """Return a tenant whose one document three members may sign, a team of fifty edit, and everyone comment on."""
    names = [f"m{n:06}" for n in range(members)]
    on = "document:d1"
    grants = {Grant("owner", f"tenant:{tenant}", "member:olivia"), Grant("editor", on, "group:team")}
    grants |= {Grant("signer", on, f"member:{names[members * part // 4]}") for part in (1, 2, 3)}
    grants |= {Grant("Reader", f"tenant:{tenant}", f"member:{name}") for name in names}
    return TenantFacts(
        tenant,
        members={name: Member(name) for name in ("olivia", *names)},
        groups={"team": Group("team", members=frozenset(f"member:{name}" for name in names[:50]))},
        roles={"Reader": CustomRole("Reader", {"document": frozenset({"comment"})})},
        resources={on: StoredResource("document", "d1")},
        grants=frozenset(grants),
    )


def asks(tenant: str, subject: str, action: str, resource: str) -> Request:
    """Return a question; the part that is asked for is left empty."""
    type_, _, id_ = resource.partition(":")
    return Request(tenant, Subject(subject), action, Resource(type_, id_))


def of_documents(core: Core, tenant: str) -> Questions:
    """Return what is asked in a tenant of documents."""
    find = core.search.resources
    who = {
        "three": "few",
        "a hundredth of all, which it owns": "m7",
        "a tenth of all, by a role on a template": "manager",
        "all, by a role on the tenant": "olivia",
        "none": "none",
    }
    asked = {
        f"resources: allowed on {what}": (find, asks(tenant, name, "view", "document")) for what, name in who.items()
    }
    return {
        **asked,
        "resources: none, and all are asked about": (find, asks(f"{tenant}-wide", "none", "view", "document")),
        "actions on a document": (core.search.actions, asks(tenant, "m0", "", "document:d000000")),
        CHECK: (core.decider.decide, asks(tenant, "m0", "view", "document:d000000")),
    }


def of_members(core: Core, tenant: str) -> Questions:
    """Return what is asked in a tenant of members."""
    allowed = {
        "three, by roles on the document, and the owner": "sign",
        "fifty, by a group's role, and the owner": "edit",
        "everyone, by a role on the tenant": "comment",
        "the owner alone": "delete",
    }
    asked = {
        f"subjects: {what}": (core.search.subjects, asks(tenant, "", action, "document:d1"))
        for what, action in allowed.items()
    }
    return {**asked, CHECK: (core.decider.decide, asks(tenant, "m000000", "edit", "document:d1"))}


async def made(core: Core, facts: TenantFacts) -> None:
    """Write a tenant as one change, and load it."""
    print(
        f"{facts.id}: {len(facts.members):,} members, {len(facts.resources):,} resources", file=sys.stderr, flush=True
    )
    await core.store.write({facts.id: changes_between(None, facts)}, expected={}, actor="load")
    await core.follower.catch_up()
    await core.decider.decide(asks(facts.id, "olivia", "view", "document:*"))


async def asked_in_turn(questions: Mapping[int, Questions], times: int) -> dict[tuple[str, int], Figures]:
    """Ask all questions in the tenants of all sizes, one after another."""
    found: dict[tuple[str, int], Figures] = {}
    for turn, (what, size) in product(range(-1, times), product(questions[min(questions)], questions)):
        ask, request = questions[size][what]
        question = request if what == CHECK else ListQuery(request, "", PAGE)
        began = perf_counter_ns()
        answer = await ask(question)
        spent = (perf_counter_ns() - began) / 1e6
        if turn >= 0:
            found.setdefault((what, size), Figures(answer)).spent.append(spent)
    return found


def print_table(found: Mapping[tuple[str, int], Figures], sizes: Sequence[int], unit: str) -> None:
    """Print the table of what was asked in tenants of some sizes, in milliseconds and in Checks of the same run."""
    check = statistics.median(spent for size in sizes for spent in found[CHECK, size].spent)
    print(f"| what | {' | '.join(f'{size:,} {unit}: found | ms | Checks' for size in sizes)} |")
    print(f"|-|{'-:|-:|-:|' * len(sizes)}")
    for what in dict.fromkeys(what for what, _ in found):
        each = (found[what, size] for size in sizes)
        cells = (f"{one.size} | {one.median:,.2f} | {one.median / check:,.0f}" for one in each)
        print(f"| {what} | {' | '.join(cells)} |", flush=True)
    print()


async def measure(sizes: Sizes) -> None:
    """Make the tenants, ask, and print both tables."""
    with tempfile.TemporaryDirectory(prefix="sidegate-lists-") as directory:
        # Without a cache, since the same Check is asked repeatedly; lists have none.
        settings = GivenSettings(database=f"sqlite:///{directory}/facts.db", listen=("127.0.0.1:0",), cache="off")
        async with bootstrap.deciding(settings) as core:
            for size in sizes.documents:
                await made(core, with_documents(f"d{size}", size))
                await made(core, with_documents(f"d{size}-wide", size, own_roles=OWN_ROLES))
            for size in sizes.members:
                await made(core, with_members(f"m{size}", size))
            documents = {size: of_documents(core, f"d{size}") for size in sizes.documents}
            print_table(await asked_in_turn(documents, sizes.times), sizes.documents, "documents")
            members = {size: of_members(core, f"m{size}") for size in sizes.members}
            print_table(await asked_in_turn(members, sizes.times), sizes.members, "members")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small tenants only, to see that it runs")
    configure_logging(level="error")  # a tenant written in one change is too large to follow, which is expected
    asyncio.run(measure(QUICK if parser.parse_args().quick else Sizes()))


if __name__ == "__main__":
    main()
