"""Refusals read the same whether a tenant exists or not, whichever method is called."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import grpc

from sidegate.authz.v1 import facts_pb2
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub
from sidegate.bootstrap import serving
from sidegate.config.settings import GivenSettings
from support.fuzzing.messages import any_message, methods
from support.servers.callers import write_callers
from support.servers.tenant_callers import ADMIN, CALLERS, GUEST

METHODS = methods()
FACTS = """\
tenants:
  globex:
    members: {ann: {roles: [owner]}, uma: {}}
    groups: {sales: {members: [uma]}}
    roles: {clerk: {permissions: {document: [view]}}}
    resources: {"template:t1": {owner: ann}, "document:d1": {owner: uma, parents: ["template:t1"]}}
"""
EXISTING, MISSING = b"globex", b"absent"


def _about(message: Any, tenant: str) -> Any:
    """Return the message with all names of tenants replaced by one."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            texts = value if field.is_repeated else [value]
            changed = [text.replace("acme", tenant).replace("nowhere", tenant) for text in texts]
            if field.is_repeated:
                value[:] = changed
            else:
                setattr(message, field.name, changed[0])
        elif field.message_type and field.message_type.full_name.startswith("sidegate"):
            for part in value if field.is_repeated else (value,):
                _about(part, tenant)
    return message


async def _refusal(channel: grpc.aio.Channel, path: str, raw: bytes) -> tuple[str, str]:
    """Return the code and the text of a call's end; a call that is allowed has no text."""
    metadata = (("authorization", f"Bearer {GUEST}"),)
    try:
        if METHODS[path].server_streaming:
            stream = channel.unary_stream(path)(raw, metadata=metadata)
            answer = await stream.read()
            stream.cancel()
            return "OK", str(answer)
        return "OK", str(await channel.unary_unary(path)(raw, metadata=metadata))
    except grpc.aio.AioRpcError as error:
        return error.code().name, error.details() or ""


async def test_no_method_says_whether_a_tenant_exists(tmp_path: Path):
    """A caller of one tenant gets the same refusal for another that exists and for one that does not."""
    settings = GivenSettings.model_validate(
        {
            "database": f"sqlite:///{tmp_path}/facts.db",
            "listen": (f"unix:{tmp_path}/socket",),
            "callers": write_callers(tmp_path, CALLERS),
            "drain": 0,
        }
    )
    refused = set()
    async with serving(settings) as running, grpc.aio.insecure_channel(running.addresses[0]) as channel:
        admin = (("authorization", f"Bearer {ADMIN}"),)
        await FactsServiceStub(channel).ApplyFacts(facts_pb2.ApplyFactsRequest(document=FACTS), metadata=admin)
        for path, method in METHODS.items():
            for seed in range(3):
                message = _about(any_message(method.input_type, Random(seed), hostility=0), EXISTING.decode())
                raw = message.SerializeToString()
                existing = await _refusal(channel, path, raw)
                missing = await _refusal(channel, path, raw.replace(EXISTING, MISSING))
                assert missing[0] == existing[0], (path, raw)
                assert missing[1] == existing[1].replace(EXISTING.decode(), MISSING.decode()), (path, raw)
                if existing[0] == "PERMISSION_DENIED":
                    refused.add(path)
    # The others were refused for the form of these messages.
    assert len(refused) > len(METHODS) * 0.8
