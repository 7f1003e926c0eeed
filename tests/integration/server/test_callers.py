"""A sidecar with a caller file: who gets in, what each may do, and what happens when the file changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.authz.v1 import (
    authorization_pb2_grpc,
    facts_pb2,
    facts_pb2_grpc,
    history_pb2,
    history_pb2_grpc,
    role_pb2,
    role_pb2_grpc,
    tenant_pb2,
    tenant_pb2_grpc,
)
from sidegate.bootstrap import Running, serving
from sidegate.callers.keys import digest_of, new_key
from sidegate.config.settings import GivenSettings
from sidegate.errors import CallersError
from sidegate.server.access.requirements import REQUIREMENTS
from support.servers.callers import es256, issuer_server, write_callers
from support.servers.sidecar import failure, failure_of
from support.waiting import until

KEYS = {name: new_key() for name in ("checker", "writer", "platform", "later")}
FILE = f"""\
callers:
  checker:
    identities: [key: {{name: a, sha256: "{digest_of(KEYS["checker"]).hex()}"}}]
    rights: {{check: [acme], events.watch: [acme]}}
  writer:
    identities: [key: {{name: a, sha256: "{digest_of(KEYS["writer"]).hex()}"}}]
    rights: {{membership.write: [acme], membership.read: [acme], facts.bulk: [acme]}}
    actors: [members]
  platform:
    identities: [key: {{name: a, sha256: "{digest_of(KEYS["platform"]).hex()}"}}]
    rights: {{membership.write: "*", membership.read: "*", facts.bulk: "*", events.watch: "*"}}
    actors: [platform]
"""
FACTS = """\
tenants:
  acme:
    members: {ann: {roles: [owner]}}
  globex:
    members: {gus: {roles: [owner]}}
"""


@asynccontextmanager
async def open_sidecar(
    directory: Path, text: str = FILE, **more: object
) -> AsyncIterator[tuple[Running, grpc.aio.Channel]]:
    settings = GivenSettings.model_validate(
        {
            "database": f"sqlite:///{directory}/facts.db",
            "listen": ("127.0.0.1:0",),
            "callers": write_callers(directory, text),
            "drain": 0,
            **more,
        }
    )
    async with serving(settings) as running, grpc.aio.insecure_channel(running.addresses[0]) as channel:
        yield running, channel


def bearer(name: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {KEYS[name]}"),)


async def ended(call: Awaitable[Any]) -> tuple[str, str]:
    """Return the code and the reason that a call ends with."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code().name, failure_of(error).info.reason
    return "OK", ""


def check_of(tenant: str) -> pb.CheckRequest:
    resource = pb.Resource(type="document", id="d")
    return pb.CheckRequest(tenant=tenant, subject=pb.Subject(id="ann"), action="view", resource=resource)


ACME, GLOBEX = check_of("acme"), check_of("globex")
DENIED = "PERMISSION_DENIED"


async def test_a_call_needs_a_key_the_right_and_the_tenant(tmp_path):
    """Nobody gets in without a key; a caller gets what its rights say, and no word of what exists elsewhere."""
    async with open_sidecar(tmp_path) as (_, channel):
        check = authorization_pb2_grpc.AuthorizationServiceStub(channel).Check
        assert await ended(check(ACME)) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
        wrong = (("authorization", f"Bearer {new_key()}"),)
        assert await ended(check(ACME, metadata=wrong)) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
        twice = bearer("checker") + bearer("checker")
        assert await ended(check(ACME, metadata=twice)) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
        assert await ended(check(ACME, metadata=bearer("checker"))) == ("OK", "")
        assert await ended(check(ACME, metadata=bearer("writer"))) == (DENIED, "CALLER_LACKS_RIGHT")
        texts = []
        for message in (GLOBEX, check_of("nowhere")):
            failed = await failure(check(message, metadata=bearer("checker")))
            assert failed.info.reason == "TENANT_NOT_ALLOWED"
            assert dict(failed.info.metadata) == {"caller": "checker", "right": "check", "tenant": message.tenant}
            texts.append(failed.message.replace(message.tenant, "…"))
        assert texts[0] == texts[1]


async def test_no_method_is_open(tmp_path):
    """Each method of each service refuses a client without credentials, and a caller with another right."""
    text = FILE.replace("rights: {check: [acme], events.watch: [acme]}", "rights: {explain: [acme]}")
    async with open_sidecar(tmp_path, text) as (_, channel):
        for method in REQUIREMENTS:
            call = channel.stream_stream(f"/{method}")
            assert await ended(drained(call(iter([b""])))) == ("UNAUTHENTICATED", "UNAUTHENTICATED"), method
            found = await ended(drained(call(iter([b""]), metadata=bearer("checker"))))
            assert found == (DENIED, "CALLER_LACKS_RIGHT"), method


async def test_health_needs_no_caller(tmp_path):
    """Probes ask without a key."""
    async with open_sidecar(tmp_path) as (_, channel):
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_document_may_hold_allowed_tenants_only(tmp_path, caplog):
    """One tenant too many, and nothing is written or shown; the actor is one that the caller may act for."""
    async with open_sidecar(tmp_path) as (_, channel):
        facts = facts_pb2_grpc.FactsServiceStub(channel)

        def apply(caller: str, document: str, **more: object) -> Awaitable[Any]:
            message = facts_pb2.ApplyFactsRequest(document=document, **more)
            return facts.ApplyFacts(message, metadata=bearer(caller))

        for more in ({}, {"validate_only": True}):
            found = await ended(apply("writer", FACTS, actor="member:ann", **more))
            assert found == (DENIED, "TENANT_NOT_ALLOWED")
        logged = [record.msg["tenant"] for record in caplog.records if record.msg.get("event") == "caller refused"]
        assert logged == ["globex"]
        options = facts_pb2.ImportFactsOptions(actor="member:ann")
        parts = [facts_pb2.ImportFactsRequest(options=options), facts_pb2.ImportFactsRequest(chunk=FACTS.encode())]
        for caller, reason in (("writer", "TENANT_NOT_ALLOWED"), ("checker", "CALLER_LACKS_RIGHT")):
            assert await ended(drained(facts.ImportFacts(iter(parts), metadata=bearer(caller)))) == (DENIED, reason)
        only = FACTS.partition("  globex")[0]
        assert await ended(apply("writer", only)) == (DENIED, "ACTOR_NOT_ALLOWED")
        assert await ended(apply("writer", only, actor="nightly-import")) == (DENIED, "ACTOR_NOT_ALLOWED")
        assert await ended(apply("writer", only, actor="member:ann")) == ("OK", "")
        assert await ended(apply("platform", FACTS)) == ("OK", "")
        export = facts.ExportFacts(facts_pb2.ExportFactsRequest(), metadata=bearer("writer"))
        assert await ended(export) == (DENIED, "TENANT_NOT_ALLOWED")


async def test_a_write_is_its_actor_s_and_its_caller_s(tmp_path):
    """A caller acts only for whom it may, and the history names it beside the actor."""
    async with open_sidecar(tmp_path) as (_, channel):
        facts, groups = facts_pb2_grpc.FactsServiceStub(channel), role_pb2_grpc.GroupServiceStub(channel)
        await facts.ApplyFacts(facts_pb2.ApplyFactsRequest(document=FACTS), metadata=bearer("platform"))
        made = role_pb2.CreateGroupRequest(parent="tenants/acme", group_id="sales")
        assert await ended(groups.CreateGroup(made, metadata=bearer("writer"))) == (DENIED, "ACTOR_NOT_ALLOWED")
        made.actor = "member:ann"
        assert await ended(groups.CreateGroup(made, metadata=bearer("platform"))) == (DENIED, "ACTOR_NOT_ALLOWED")
        assert await ended(groups.CreateGroup(made, metadata=bearer("writer"))) == ("OK", "")
        listed = history_pb2.ListChangesRequest(parent="tenants/acme", kind="group")
        history = history_pb2_grpc.HistoryServiceStub(channel)
        (change,) = (await history.ListChanges(listed, metadata=bearer("platform"))).changes
        assert (change.actor, change.caller) == ("member:ann", "writer")
        tenants = tenant_pb2_grpc.TenantServiceStub(channel)
        every = tenant_pb2.ListTenantsRequest(actor="member:ann")
        assert await ended(tenants.ListTenants(every, metadata=bearer("writer"))) == (DENIED, "TENANT_NOT_ALLOWED")


async def test_a_stream_passes_the_gate_before_it_opens(tmp_path):
    """A refused watch has sent nothing, not even its headers."""
    async with open_sidecar(tmp_path) as (_, channel):
        history = history_pb2_grpc.HistoryServiceStub(channel)
        for parent, caller in (("tenants/-", "checker"), ("tenants/globex", "checker"), ("tenants/acme", "writer")):
            watch = history.WatchChanges(history_pb2.WatchChangesRequest(parent=parent), metadata=bearer(caller))
            assert (await ended(watch.read()))[0] == DENIED
        watch = history.WatchChanges(history_pb2.WatchChangesRequest(), metadata=bearer("platform"))
        await watch.initial_metadata()
        watch.cancel()


async def test_a_stream_ends_with_the_rights_of_its_caller(tmp_path):
    """What is written after its key was removed is not sent to it, though it was open before."""
    async with open_sidecar(tmp_path) as (running, channel):
        facts = facts_pb2_grpc.FactsServiceStub(channel)

        async def apply(document: str) -> None:
            await facts.ApplyFacts(facts_pb2.ApplyFactsRequest(document=document), metadata=bearer("platform"))

        await apply(FACTS)
        request = history_pb2.WatchChangesRequest(parent="tenants/acme", from_beginning=True)
        watch = history_pb2_grpc.HistoryServiceStub(channel).WatchChanges(request, metadata=bearer("checker"))
        assert (await watch.read()).changes
        write_callers(tmp_path, FILE.replace(digest_of(KEYS["checker"]).hex(), digest_of(KEYS["later"]).hex()))
        running.reload()
        check = authorization_pb2_grpc.AuthorizationServiceStub(channel).Check
        await until(lambda: is_refused(check(ACME, metadata=bearer("checker"))))
        await apply(FACTS.replace("ann: {roles: [owner]}", "ann: {roles: [owner]}, bob: {}"))
        assert await ended(drained(watch)) == ("UNAUTHENTICATED", "UNAUTHENTICATED")


async def drained(stream: Any) -> None:
    """Read a stream until it ends; it must not show bob."""
    while (response := await stream.read()) is not grpc.aio.EOF:
        assert "bob" not in str(response)


async def is_refused(call: Awaitable[Any]) -> bool:
    return (await ended(call))[0] == "UNAUTHENTICATED"


async def test_the_file_is_reloaded_all_or_nothing(tmp_path, caplog):
    """A new key is accepted, a removed one is not; a wrong file changes nothing."""
    caplog.set_level("INFO", logger="sidegate")
    async with open_sidecar(tmp_path) as (running, channel):
        check = authorization_pb2_grpc.AuthorizationServiceStub(channel).Check

        async def accepted(name: str) -> bool:
            return (await ended(check(ACME, metadata=bearer(name))))[0] == "OK"

        async def reloaded(text: str) -> None:
            write_callers(tmp_path, text)
            seen = len(caplog.records)
            running.reload()
            await until(lambda: logged(caplog, seen))

        assert [await accepted("checker"), await accepted("later")] == [True, False]
        await reloaded(FILE.replace("rights: {check", "rights: {chek"))
        assert [await accepted("checker"), await accepted("later")] == [True, False]
        await reloaded(FILE.replace(digest_of(KEYS["checker"]).hex(), digest_of(KEYS["later"]).hex()))
        assert [await accepted("checker"), await accepted("later")] == [False, True]
    assert not any(key in caplog.text for key in KEYS.values())


async def logged(caplog, seen: int) -> bool:
    """Return whether a reload of the callers was logged since."""
    return any("caller" in record.msg["event"] for record in caplog.records[seen:] if isinstance(record.msg, dict))


async def test_a_wrong_file_keeps_the_server_from_starting(tmp_path):
    """It never listens without the gate that was asked for."""
    with pytest.raises(CallersError, match="did you mean `check`"):
        async with open_sidecar(tmp_path, FILE.replace("rights: {check", "rights: {chek")):
            pytest.fail("it started")


async def test_a_person_acts_for_itself_by_its_token(tmp_path):
    """A token of the company's issuer proves a member of one tenant, until its key is removed."""
    key = es256()
    with issuer_server() as issuer:
        issuer.publish(key)
        text = f"""\
callers:
  people:
    identities: [jwt: {{issuer: main, claims: {{azp: web}}}}]
    rights: {{membership.write: "*"}}
    actors: [proven]
issuers:
  main:
    issuer: {issuer.url}
    audience: sidegate
    algorithms: [ES256]
    jwks: {issuer.url}/keys
    member_claim: sub
    tenant_claim: tenant
"""
        async with open_sidecar(tmp_path, text) as (running, channel):
            groups = role_pb2_grpc.GroupServiceStub(channel)
            token = issuer.token(key, sub="ann", azp="web", tenant="acme")

            async def created(tenant: str, actor: str) -> str:
                message = role_pb2.CreateGroupRequest(parent=f"tenants/{tenant}", group_id="g", actor=actor)
                call = groups.CreateGroup(message, metadata=(("authorization", f"Bearer {token}"),))
                return (await ended(call))[1]

            assert await created("globex", "member:ann") == "TENANT_NOT_ALLOWED"
            assert await created("acme", "member:gus") == "ACTOR_NOT_ALLOWED"
            assert await created("acme", "platform") == "ACTOR_NOT_ALLOWED"
            # The gate is passed: there is no such tenant yet.
            assert await created("acme", "member:ann") == "NOT_FOUND"
            issuer.publish(es256("new"))
            running.reload()
            await until(lambda: refused_as(created("acme", "member:ann"), "UNAUTHENTICATED"))


async def refused_as(call: Awaitable[str], reason: str) -> bool:
    return await call == reason


async def test_metrics_that_others_can_reach_need_the_right(tmp_path):
    """Where only this machine can connect they are open; probes are open everywhere."""
    text = FILE.replace("rights: {check: [acme], ", 'rights: {metrics: "*", ')

    async def asked(address: str, path: str, key: str = "") -> int:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        request = Request(f"http://127.0.0.1:{address.rpartition(':')[2]}{path}", headers=headers)
        try:
            with await asyncio.to_thread(urlopen, request) as answer:
                return answer.status
        except HTTPError as error:
            return error.code

    wide = {"metrics_address": "0.0.0.0:0", "allow_insecure_metrics": True}
    async with open_sidecar(tmp_path, text, **wide) as (running, _):
        found = [await asked(running.metrics_address, "/metrics", key) for key in ("", new_key(), *KEYS.values())]
        assert found == [401, 401, 200, 403, 403, 401]
        assert [await asked(running.metrics_address, path) for path in ("/healthz", "/readyz")] == [200, 200]
    async with open_sidecar(tmp_path, text, metrics_address="127.0.0.1:0") as (running, _):
        assert await asked(running.metrics_address, "/metrics") == 200
