"""A pack of notes on a running server, and short ways to ask it for lists."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from sidegate.bootstrap import Core
from sidegate.model.revision import NO_REVISION, Revision
from support.decisions.deciding import apply, deciding
from support.packs.packs import MODEL, write_pack
from support.servers.sidecar import TOKENS, channel, serving

NOTES = """\
name: notes
description: Notes that are shared, shown to who claims enough, and signed.
settings: {require_mfa: {type: boolean}}
member: {clearance: {type: integer, from: request}}
context: {ip: {type: string}}
roles:
  owner: {on: [tenant, note]}
custom_roles: {rule: NT-01, types: [note]}
resources:
  note:
    actions: [view, edit, sign, burn]
    properties: {urgent: {type: boolean, from: request}}
rules:
  NT-01: {text: Owners may do everything., enforced_by: [rules, store]}
  NT-02: {text: Members with clearance view from here.}
  NT-03: {text: What is urgent is signed by everyone.}
  NT-04: {text: Who lacks a second factor that the tenant requires edits nothing., reason: mfa_required}
  NT-05: {text: The invited wait., reason: member_pending, enforced_by: [membership]}
  NT-06: {text: Strangers stay outside., reason: not_a_member, enforced_by: [membership]}
  NT-07: {text: In a suspended tenant nobody does anything., reason: tenant_suspended, enforced_by: [membership]}
"""
ROWS = """\
p, owner, tenant, note, *, True, allow, NT-01
p, owner, note, note, *, True, allow, NT-01
p, *, tenant, note, view, r.sub.clearance > 3 && r.env.ip == "::1", allow, NT-02
p, *, tenant, note, sign, r.obj.urgent, allow, NT-03
p, *, tenant, note, edit, r.dom.require_mfa && not r.sub.mfa, deny, NT-04
"""
FACTS = """\
tenants:
  acme:
    members:
      ann: {roles: [owner]}
      bob: {}
      cem: {mfa: true}
      pia: {status: pending}
      ivy: {status: inactive}
    resources:
      note:n1: {owner: bob}
      note:n2: {owner: cem}
      note:n3: {}
  void:
    members: {una: {}}
"""


@dataclass(frozen=True)
class Lists:
    """A running server, and short ways to ask it for lists."""

    core: Core
    stub: AuthorizationServiceStub
    made: Mapping[str, Revision]

    def revision(self, tenant: str = "acme") -> str:
        """Return the token of what was applied first; "" for a tenant that is not there."""
        return TOKENS.encode(tenant, self.made.get(tenant, NO_REVISION))

    def resources(self, subject: str | pb.Subject = "ann", action: str = "view", **more: Any) -> Any:
        fields = {"subject": _member(subject), "action": action, "resource": pb.Resource(type="note")}
        return _asked(self.stub.ListResources, pb.ListResourcesRequest, **(fields | more))

    def subjects(self, action: str = "view", resource: str | pb.Resource = "n1", **more: Any) -> Any:
        fields = {"action": action, "resource": _note(resource)}
        return _asked(self.stub.ListSubjects, pb.ListSubjectsRequest, **(fields | more))

    def actions(self, subject: str | pb.Subject = "ann", resource: str | pb.Resource = "n1", **more: Any) -> Any:
        fields = {"subject": _member(subject), "resource": _note(resource)}
        return _asked(self.stub.ListActions, pb.ListActionsRequest, **(fields | more))

    def each(self, **more: Any) -> list[Any]:
        """Ask for one list of each kind."""
        return [self.resources(**more), self.subjects(**more), self.actions(**more)]


def _asked(call: Any, kind: Any, *, claims: Any = None, timeout: float | None = None, **fields: Any) -> Any:
    """Ask about the tenant `acme`, if no other is named; `claims` are properties by the part that they are about."""
    request = kind(**({"tenant": "acme"} | fields))
    for part, values in (claims or {}).items():
        (request.context if part == "context" else getattr(request, part).properties).update(values)
    return call(request, timeout=timeout)


def _member(subject: str | pb.Subject) -> pb.Subject:
    return pb.Subject(id=subject) if isinstance(subject, str) else subject


def _note(resource: str | pb.Resource) -> pb.Resource:
    return pb.Resource(type="note", id=resource) if isinstance(resource, str) else resource


def found(page: Any) -> list[str]:
    """Return the IDs or actions of a page."""
    if isinstance(page, pb.ListActionsResponse):
        return [one.action for one in page.actions]
    return [one.id for one in (page.resources if isinstance(page, pb.ListResourcesResponse) else page.subjects)]


async def all_of(ask: Callable[..., Any], **more: Any) -> list[str]:
    """Return what all pages hold, in their order; each but the last is as full as it may be."""
    held: list[str] = []
    token = ""
    while True:
        page = await ask(page_token=token, **more)
        held += found(page)
        token = page.next_page_token
        if not token:
            return held
        assert len(found(page)) == more["page_size"]


@asynccontextmanager
async def running(
    directory: Path, *, facts: str = FACTS, model: str = MODEL, database: str = "", **settings: Any
) -> AsyncIterator[Lists]:
    """Serve the pack of notes and these facts, over a database of its own unless another is named."""
    schema = NOTES if model == MODEL else f"{NOTES}matcher: custom\n"
    pack = write_pack(directory / "packs" / "notes", schema=schema, model=model, rows=ROWS)
    rare = {"poll_interval": 59, "max_staleness": 60, "hints": "off"}
    chosen = {"policies": pack.parent, "default_pack": "notes", **rare, **settings}
    async with deciding(database or directory / "facts.db", **chosen) as core:
        made = await apply(core, facts)
        async with serving(core.decider, search=core.search) as server, channel(server) as wire:
            yield Lists(core, AuthorizationServiceStub(wire), made)
