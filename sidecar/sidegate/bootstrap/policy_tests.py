"""The three depths at which policy tests run: the evaluator, the decision chain over a store, and a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Final, TypeAlias

from sidegate.bootstrap.core import deciding
from sidegate.bootstrap.sidecar import serving
from sidegate.client.sidecar import remote_sidecar
from sidegate.config.settings import GivenSettings, Settings
from sidegate.decision.evaluate import Evaluator
from sidegate.documents.yaml import Document
from sidegate.engine import ENGINES
from sidegate.errors import Fault, PolicyTestError
from sidegate.facts.checks.identifiers import check_added_identifiers
from sidegate.facts.diff import difference
from sidegate.facts.document import FactsDocument
from sidegate.facts.fixed import FixedFacts
from sidegate.facts.read import facts_of
from sidegate.facts.validate import check_facts
from sidegate.facts.write import write_facts
from sidegate.model.decision import Decision
from sidegate.model.question import Request
from sidegate.policy.pack.registry import PackRegistry, bundled_packs
from sidegate.policy.testing.run import Answerer
from sidegate.ports.decider import Decider
from sidegate.replica.snapshots import Snapshots

_SOURCE: Final = "policy test"


@dataclass(frozen=True, slots=True)
class _Bench:
    """What one test file is asked of: packs, and facts that were checked against them."""

    packs: PackRegistry
    facts: FactsDocument
    engine: str

    @property
    def text(self) -> str:
        """The facts as a document."""
        return write_facts([*self.facts.tenants.values()])

    def settings(self, directory: str) -> Settings:
        """Return the settings of a sidecar whose files are in `directory`."""
        return GivenSettings.model_validate(
            {
                "database": f"sqlite:///{directory}/facts.db",
                "listen": ("127.0.0.1:0",),
                "policies": self.packs.directory,
                "default_pack": self.packs.default,
                "engine": self.engine,
                "drain": 0,
            }
        )


@asynccontextmanager
async def _evaluator(bench: _Bench) -> AsyncIterator[Decider]:
    facts = bench.facts.tenants
    snapshots = Snapshots(FixedFacts(facts), bench.packs, max_tenants=len(facts) + 1, max_resources=10_000)
    yield Evaluator(snapshots, catch_up=partial(asyncio.sleep, 0))


@asynccontextmanager
async def _chain(bench: _Bench) -> AsyncIterator[Decider]:
    with TemporaryDirectory() as directory:
        async with deciding(bench.settings(directory)) as core:
            await core.facts.apply(bench.text, _SOURCE, actor=_SOURCE)
            yield core.decider


@asynccontextmanager
async def _service(bench: _Bench) -> AsyncIterator[Decider]:
    with TemporaryDirectory() as directory:
        async with (
            serving(bench.settings(directory)) as running,
            remote_sidecar(running.addresses[0]) as remote,
        ):
            await remote.apply(bench.text, source=_SOURCE)
            yield remote


_Opening: TypeAlias = Callable[[_Bench], AbstractAsyncContextManager[Decider]]
DEPTHS: Final[Mapping[str, _Opening]] = MappingProxyType({"engine": _evaluator, "chain": _chain, "service": _service})


class _Depth:
    """An `Answerer` that opens a decider for each test file, and closes the one before."""

    def __init__(self, opening: _Opening, policies: Path, engine: str) -> None:
        self._opening = opening
        self._policies = policies
        self._engine = engine
        self._registries: dict[str, PackRegistry] = {}
        self._stack = AsyncExitStack()
        self._decider: Decider | None = None

    async def prepare(self, pack: str, facts: Document) -> None:
        """Forget all facts and take these.

        Raises:
            FaultyFiles: the facts document is wrong, or there is no such pack.
        """
        await self.close()
        if pack not in self._registries:
            self._registries[pack] = PackRegistry(ENGINES[self._engine], self._policies, pack)
        packs, document = self._registries[pack], facts_of(facts)
        if faults := tuple(_faults(document, packs)):
            raise PolicyTestError(*faults)
        self._decider = await self._stack.enter_async_context(self._opening(_Bench(packs, document, self._engine)))

    async def decide(self, request: Request) -> Decision:
        """Answer one check."""
        assert self._decider is not None, "prepare() comes first"
        return await self._decider.decide(request)

    async def close(self) -> None:
        """Close what the last test file was asked of."""
        await self._stack.aclose()


def _faults(document: FactsDocument, packs: PackRegistry) -> Iterator[Fault]:
    for facts in document.tenants.values():
        compiled = packs.get(facts.pack)
        if compiled is None:
            place = ("tenants", facts.id, "pack")
            yield document.document.fault(place, f"unknown pack `{facts.pack}`: one of {', '.join(packs.names())}")
        else:
            invisible = check_added_identifiers(facts.id, difference(None, facts))
            yield from (document.fault(facts.id, fault) for fault in invisible)
            yield from check_facts(facts, document, compiled.pack.schema)


@asynccontextmanager
async def answerer(through: str, policies: Path | None, engine: str) -> AsyncIterator[Answerer]:
    """Open what answers policy tests: at the depth `through`, on a directory of packs, the bundled ones for None."""
    depth = _Depth(DEPTHS[through], policies or bundled_packs(), engine)
    try:
        yield depth
    finally:
        await depth.close()
