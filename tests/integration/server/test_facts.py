"""ApplyFacts and ExportFacts against a real server on a real port."""

import gc
import weakref

import grpc
from google.protobuf.json_format import MessageToDict

from sidegate.authz.v1 import facts_pb2 as pb
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub
from sidegate.errors import FactsError, Fault, RevisionConflict
from sidegate.model.change import Change, EntryKind
from sidegate.model.revision import Revision
from support.servers.sidecar import TOKENS, Outcome, ScriptedFacts, channel, failure, serving

CHANGES = (
    Change(EntryKind.MEMBER, ("uma",), None, {"status": "active", "quota": 3}),
    Change(EntryKind.GRANT, ("owner", "document:d1", "member:uma"), {}, None),
)


async def test_apply_returns_what_changed_and_the_new_revision() -> None:
    """Each tenant's changes come back in order, with a token of its new revision."""
    made = Revision(5, 50), Revision(2, 60)
    facts = ScriptedFacts([Outcome("acme", made[0], CHANGES, ["nobody holds `owner`"]), Outcome("globex", made[1])])
    async with serving(facts=facts) as server, channel(server) as wire:
        answer = await FactsServiceStub(wire).ApplyFacts(pb.ApplyFactsRequest(document="tenants: {}", source="f.yaml"))

    assert facts.calls == [("apply", "tenants: {}", "f.yaml", "platform", "")]
    acme, globex = answer.tenants
    assert (TOKENS.decode("acme", acme.revision), TOKENS.decode("globex", globex.revision)) == made
    assert list(acme.warnings) == ["nobody holds `owner`"]
    assert [MessageToDict(change) for change in acme.changes] == [
        {"entity": "member", "key": ["uma"], "after": {"status": "active", "quota": 3.0}},
        {"entity": "grant", "key": ["owner", "document:d1", "member:uma"], "before": {}},
    ]
    assert list(globex.changes) == []


async def test_validate_only_plans_and_has_no_revision() -> None:
    """A plan writes nothing, so it has no revision to wait for."""
    facts = ScriptedFacts([Outcome("acme", Revision(4, 40), CHANGES)])
    async with serving(facts=facts) as server, channel(server) as wire:
        answer = await FactsServiceStub(wire).ApplyFacts(
            pb.ApplyFactsRequest(document="tenants: {}", validate_only=True, actor="ops")
        )

    assert facts.calls == [("plan", "tenants: {}", "facts")]
    assert answer.tenants[0].revision == ""
    assert len(answer.tenants[0].changes) == 2


async def test_the_actor_is_passed_on() -> None:
    """The actor of a write is recorded in the history."""
    facts = ScriptedFacts()
    async with serving(facts=facts) as server, channel(server) as wire:
        await FactsServiceStub(wire).ApplyFacts(pb.ApplyFactsRequest(document="a: b", source="f", actor="ops@acme"))

    assert facts.calls == [("apply", "a: b", "f", "ops@acme", "")]


async def test_a_faulty_document_names_every_place() -> None:
    """A refused document gets INVALID_ARGUMENT with a violation per fault, by key, file and line."""
    error = FactsError(
        Fault("f.yaml", 3, "acme.members.uma.roles", "unknown role `boss`"),
        Fault("f.yaml", 9, "acme.grants.0.on", "`nda` is not right"),
    )
    async with serving(facts=ScriptedFacts(error=error)) as server, channel(server) as wire:
        status = await failure(FactsServiceStub(wire).ApplyFacts(pb.ApplyFactsRequest(document="a: b")))

    assert status.code is grpc.StatusCode.INVALID_ARGUMENT
    assert status.info.reason == "FACTS_FAULTY"
    assert status.message == "f.yaml:3: acme.members.uma.roles: unknown role `boss` (and 1 more)"
    assert status.violations == {
        "acme.members.uma.roles": "f.yaml:3: acme.members.uma.roles: unknown role `boss`",
        "acme.grants.0.on": "f.yaml:9: acme.grants.0.on: `nda` is not right",
    }


async def test_a_document_with_a_thousand_faults_still_says_so() -> None:
    """More faults than trailers carry are cut, and the last violation says how many are left out."""
    error = FactsError(*(Fault("f.yaml", n, f"acme.members.m{n}", "unknown role `böss`") for n in range(1, 1001)))
    async with serving(facts=ScriptedFacts(error=error)) as server, channel(server) as wire:
        status = await failure(FactsServiceStub(wire).ApplyFacts(pb.ApplyFactsRequest(document="a: b")))

    *shown, last = status.violations.values()
    assert status.info.metadata["violations"] == "1000"
    assert last == f"{1000 - len(shown)} more violations are left out here"


async def test_a_conflict_can_be_retried() -> None:
    """Losing to another writer is ABORTED, with a delay after which to try again."""
    facts = ScriptedFacts(error=RevisionConflict("acme is at 9"))
    async with serving(facts=facts) as server, channel(server) as wire:
        status = await failure(FactsServiceStub(wire).ApplyFacts(pb.ApplyFactsRequest(document="a: b")))

    assert (status.code, status.info.reason) == (grpc.StatusCode.ABORTED, "REVISION_CONFLICT")
    assert status.retry is not None
    assert status.retry.retry_delay.ToMilliseconds() > 0


async def test_a_wrong_apply_request_never_reaches_the_facts() -> None:
    """An empty document and control characters in names are refused, all in one error."""
    facts = ScriptedFacts()
    async with serving(facts=facts) as server, channel(server) as wire:
        status = await failure(
            FactsServiceStub(wire).ApplyFacts(pb.ApplyFactsRequest(document=" \n", source="a\nb", actor="x" * 257))
        )

    assert set(status.violations) == {"document", "source", "actor"}
    assert facts.calls == []


async def test_export_returns_the_document_of_the_named_tenants() -> None:
    """The names are passed on, and the document comes back as it is."""
    facts = ScriptedFacts(document="tenants:\n  acmé: {}\n")
    async with serving(facts=facts) as server, channel(server) as wire:
        answer = await FactsServiceStub(wire).ExportFacts(pb.ExportFactsRequest(tenants=["acmé", "globex"]))
        status = await failure(FactsServiceStub(wire).ExportFacts(pb.ExportFactsRequest(tenants=["a", "*", ""])))

    assert answer.document == facts.document
    assert facts.calls == [("export", ("acmé", "globex"))]
    assert set(status.violations) == {"tenants[1]", "tenants[2]"}


class _Held:
    """Something large that a handler works with."""


class _RefusingFacts(ScriptedFacts):
    reference: "weakref.ref[_Held]"

    async def apply(self, text: str, source: str, **_: object) -> list[Outcome]:
        held = _Held()
        self.reference = weakref.ref(held)
        raise FactsError(Fault(source, 1, "", f"no {text}"))


async def test_an_error_does_not_keep_what_its_handler_worked_with() -> None:
    """What a refused call held is freed with the call, not whenever garbage is collected."""
    facts = _RefusingFacts()
    gc.disable()
    try:
        async with serving(facts=facts) as server, channel(server) as wire:
            failed = await failure(FactsServiceStub(wire).ApplyFacts(pb.ApplyFactsRequest(document="a: b")))
        assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
        assert facts.reference() is None
    finally:
        gc.enable()
