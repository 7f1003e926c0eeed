"""The policy tests of all packs hold at every depth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import grpc
import pytest

from sidegate import bootstrap
from sidegate.authz.v1.tenant_pb2 import DeleteTenantRequest
from sidegate.authz.v1.tenant_pb2_grpc import TenantServiceStub
from sidegate.client.sidecar import RemoteSidecar
from sidegate.documents.yaml import Document, parse_document
from sidegate.errors import PolicyTestError
from sidegate.facts.read import facts_of
from sidegate.facts.write import write_facts
from sidegate.model.decision import Decision
from sidegate.model.question import Request
from sidegate.policy.testing.file import find_test_files, read_test_files
from sidegate.policy.testing.run import run_tests
from support.paths import ROOT

POLICIES = ROOT / "policies"
PACKS = sorted(path.parent.name for path in POLICIES.glob("*/pack.yaml"))


@pytest.mark.parametrize(
    ("through", "engine"),
    [("engine", "reference"), ("engine", "indexed"), ("chain", "indexed"), ("service", "indexed")],
)
@pytest.mark.parametrize("pack", PACKS)
async def test_every_check_of_the_pack_holds(pack, through, engine):
    """Evaluator, chain over a real store and real gRPC server give the expected decisions, on either engine."""
    files = read_test_files(find_test_files(POLICIES / pack))
    async with bootstrap.answerer(through, POLICIES, engine) as answerer:
        results = await run_tests(files, answerer)
    assert len(results) >= 50
    failed = [f"{r.file}:{r.line} {r.asked}: expected {r.expected}, got {r.got}" for r in results if not r.passed]
    assert failed == []


@dataclass
class OneSidecar:
    """Answers policy tests by a sidecar that runs already: for each file the tenants of the one before are deleted."""

    channel: grpc.aio.Channel
    tenants: tuple[str, ...] = ()

    async def prepare(self, pack: str, facts: Document) -> None:
        await self.close()
        given = facts_of(facts).tenants.values()
        document = write_facts([replace(tenant, pack=tenant.pack or pack) for tenant in given])
        self.tenants = tuple(tenant.id for tenant in given)
        await RemoteSidecar(self.channel).apply(document, source="policy test")

    async def decide(self, request: Request) -> Decision:
        return await RemoteSidecar(self.channel).decide(request)

    async def close(self) -> None:
        delete = TenantServiceStub(self.channel).DeleteTenant
        for tenant in self.tenants:
            name = f"tenants/{tenant}"
            first = await delete(DeleteTenantRequest(name=name))
            await delete(DeleteTenantRequest(name=name, confirmation_token=first.confirmation_token))


@pytest.mark.parametrize("pack", PACKS)
async def test_every_check_of_the_pack_holds_on_both_databases(sidecar_address, pack):
    """The decision side of every rule is answered as expected over gRPC from facts in SQLite and in PostgreSQL."""
    files = read_test_files(find_test_files(POLICIES / pack))
    async with grpc.aio.insecure_channel(sidecar_address) as channel:
        answerer = OneSidecar(channel)
        try:
            results = await run_tests(files, answerer)
        finally:
            await answerer.close()
    assert len(results) >= 50
    failed = [f"{r.file}:{r.line} {r.asked}: expected {r.expected}, got {r.got}" for r in results if not r.passed]
    assert failed == []


async def test_a_users_settings_have_no_say_in_policy_tests(monkeypatch):
    """Settings of a server in the environment neither reach the tests' database nor stop them."""
    monkeypatch.setenv("SIDEGATE_DATABASE", "sqlite:////nowhere/at/all.db")
    monkeypatch.setenv("SIDEGATE_DEFAULT_PACK", "no-such-pack")
    files = read_test_files(find_test_files(POLICIES / "eformsign"))[:1]
    async with bootstrap.answerer("chain", POLICIES, "indexed") as answerer:
        results = await run_tests(files, answerer)
    assert {result.passed for result in results} == {True}


@pytest.mark.parametrize("through", ["engine", "chain", "service"])
async def test_facts_of_a_test_name_nothing_invisible(through):
    """A member whose ID looks like another's is refused at every depth before any check is decided."""
    text = 'tenants:\n  acme:\n    pack: eformsign\n    members: {"u\\u200Bma": {}}\n'
    async with bootstrap.answerer(through, POLICIES, "indexed") as answerer:
        with pytest.raises(PolicyTestError) as caught:
            await answerer.prepare("eformsign", parse_document(text, "test.yaml"))
    assert "`u\\u200bma`: expected no U+200B ZERO WIDTH SPACE" in str(caught.value)
