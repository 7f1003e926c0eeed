"""What a Check costs, step by step, on tenants of growing size, over the demo's pack.

    python loadtest/check.py            about a minute
    python loadtest/check.py --quick    small tenants only

A server that answers without deciding anything is measured in the same run: the difference is Sidegate's cost.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from time import perf_counter_ns

from sidegate import bootstrap
from sidegate.client.sidecar import remote_sidecar
from sidegate.config.settings import GivenSettings
from sidegate.history.past_facts import PastFacts
from sidegate.model.decision import Decision
from sidegate.model.question import Request, Resource, Subject
from sidegate.server.access.gate import Gate, TrustAll
from sidegate.server.grpc.listener import GrpcServer, ListenerSettings
from sidegate.server.handlers.authorization import AuthorizationHandler
from sidegate.server.handlers.facts import FactsHandler
from sidegate.server.wire.checks import CheckCodec
from sidegate.server.wire.lists import ListCodec
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.tokens.seals import Seals

SIZES = (100, 10_000, 100_000)
ALLOW = Request("acme", Subject("m7"), "view", Resource("document", "d1"))
DENY = Request("acme", Subject("m8"), "edit", Resource("document", "d1"))


class Instant:
    """A decider that decides nothing: the least that a server can cost."""

    async def decide(self, _request: Request) -> Decision:
        """Deny immediately."""
        return Decision(allowed=False, reason="no_matching_rule")


def document(members: int) -> str:
    """Return the facts of a tenant: members in groups of a hundred, a template and a document with grants to groups."""
    lines = ["tenants:", "  acme:", "    members:", "      olivia: {roles: [owner]}"]
    lines += [f"      m{n}: {{roles: [member], quota: 1}}" for n in range(members)]
    lines.append("    groups:")
    for first in range(0, members, 100):
        names = ", ".join(f"m{n}" for n in range(first, min(first + 100, members)))
        lines.append(f"      g{first // 100}: {{members: [{names}]}}")
    lines += ["    resources:", "      template:t1: {owner: olivia}"]
    lines += ["      document:d1: {parents: [template:t1], owner: olivia}", "    grants:"]
    lines.append("      - {role: viewer, on: document:d1, to: group:g0}")
    return "\n".join(lines) + "\n"


async def measured(ask: Callable[[], Awaitable[object]], times: int) -> tuple[float, float]:
    """Return median and p99 of one question after another, in microseconds."""
    for _ in range(times // 10):
        await ask()
    spent = []
    for _ in range(times):
        began = perf_counter_ns()
        await ask()
        spent.append((perf_counter_ns() - began) / 1000)
    return statistics.median(spent), statistics.quantiles(spent, n=100)[98]


def row(what: str, figures: tuple[float, float], baseline: float | None = None) -> None:
    """Print one line of the table."""
    ratio = f"{figures[0] / baseline:.2f}" if baseline else ""
    print(f"| {what} | {figures[0]:,.1f} | {figures[1]:,.1f} | {ratio} |", flush=True)


async def of_size(members: int, times: int) -> None:
    """Measure one tenant: first use, the chain in process, and the chain behind gRPC."""
    with tempfile.TemporaryDirectory() as directory:
        # Without a cache, since the same question is asked repeatedly: cache.py measures what caches save.
        settings = GivenSettings(database=f"sqlite:///{directory}/facts.db", listen=("127.0.0.1:0",), cache="off")
        async with bootstrap.deciding(settings) as core:
            await core.facts.apply(document(members), "load", actor="load")
        async with bootstrap.deciding(settings) as core:
            began = perf_counter_ns()
            await core.decider.decide(ALLOW)
            print(f"| {members:,} members: first use | {(perf_counter_ns() - began) / 1000:,.1f} | | |", flush=True)
            assert (await core.decider.decide(ALLOW)).allowed
            assert not (await core.decider.decide(DENY)).allowed
            row(f"{members:,} members: chain, allow", await measured(lambda: core.decider.decide(ALLOW), times))
            row(f"{members:,} members: chain, deny", await measured(lambda: core.decider.decide(DENY), times))
            tokens = RevisionTokens(b"a key for figures only")
            facts = FactsHandler(core.facts, PastFacts(core.history), tokens)
            floor = 0.0
            for name, decider in (("instant answer", Instant()), ("Check", core.decider)):
                listening = ListenerSettings(addresses=("127.0.0.1:0",), grace=0)
                codec = CheckCodec(tokens)
                lists = ListCodec(codec, tokens, Seals(b"a key for figures only"))
                authorization = AuthorizationHandler(decider, core.batches, core.search, codec=codec, lists=lists)
                handlers = {"AuthorizationService": authorization, "FactsService": facts}
                server = GrpcServer(handlers, core.ready, listening, gate=Gate(TrustAll()))
                addresses = await server.start()
                async with remote_sidecar(addresses[0]) as remote:
                    figures = await measured(lambda there=remote: there.decide(ALLOW), times)
                floor = floor or figures[0]
                row(f"{members:,} members: gRPC, {name}", figures, floor)
                await server.stop()


async def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small tenants only")
    quick = parser.parse_args().quick
    print("| what | median, µs | p99, µs | ratio to an instant answer |\n|---|---|---|---|")
    for members in SIZES[:2] if quick else SIZES:
        await of_size(members, 500 if quick else 3_000)


if __name__ == "__main__":
    asyncio.run(main())
