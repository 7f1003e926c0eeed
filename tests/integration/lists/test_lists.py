"""ListResources, ListSubjects and ListActions against a real server on a real port, over a store of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from sidegate.authz.v1 import authorization_pb2 as pb
from support.decisions.deciding import apply
from support.decisions.listing import FACTS, Lists, all_of, found, running
from support.packs.packs import MODEL
from support.servers.sidecar import TOKENS, Failure, failure

SUSPENDED = FACTS.replace("acme:", "acme:\n    suspended: true")
REQUIRED = FACTS.replace("acme:", "acme:\n    settings: {require_mfa: true}")


@pytest.fixture
async def lists(tmp_path: Path) -> AsyncIterator[Lists]:
    async with running(tmp_path) as started:
        yield started


def invalid(error: Failure, field: str, *words: str) -> None:
    """Assert that a call was refused for one field, with these words."""
    assert (error.code, error.info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT")
    assert [*error.violations] == [field]
    assert all(word in error.violations[field] for word in words), error.violations


async def test_every_field_of_an_answer(lists):
    """Each list names what is allowed and the rule that allows it, and from which rules and facts that is."""
    digest, revision = lists.core.packs.get("notes").pack.digest, lists.revision()
    outcome = pb.ListOutcome(policy_digest=digest, revision=revision)

    def allowed(kind: Any, *names: str, **more: str) -> list[Any]:
        return [kind(rule="NT-01", **{more.get("called", "id"): name}) for name in names]

    assert await lists.resources() == pb.ListResourcesResponse(
        resources=allowed(pb.AllowedResource, "n1", "n2", "n3"), outcome=outcome
    )
    assert await lists.subjects() == pb.ListSubjectsResponse(
        subjects=allowed(pb.AllowedSubject, "ann", "bob"), outcome=outcome
    )
    assert await lists.actions("bob") == pb.ListActionsResponse(
        actions=allowed(pb.AllowedAction, "burn", "edit", "sign", "view", called="action"), outcome=outcome
    )


@pytest.mark.parametrize("size", [1, 2, 3, 4])
async def test_pages_reach_the_end(lists, size):
    """Pages of any size hold together what one page holds, each once and in its order."""
    assert await all_of(lists.resources, page_size=size) == ["n1", "n2", "n3"]
    assert await all_of(lists.subjects, page_size=size) == ["ann", "bob"]
    assert await all_of(lists.actions, page_size=size) == ["burn", "edit", "sign", "view"]


async def test_the_sizes_of_pages(tmp_path):
    """A page has 50 where no size is given, never more than 1000, and a negative size is refused."""
    notes = "".join(f"      note:x{number}: {{}}\n" for number in range(1200))
    facts = FACTS.replace("      note:n3: {}\n", notes)
    async with running(tmp_path, facts=facts) as lists:
        assert len(found(await lists.resources())) == 50
        assert len(found(await lists.resources(page_size=70))) == 70
        page = await lists.resources(page_size=5000)
        assert len(found(page)) == 1000
        rest = await lists.resources(page_size=5000, page_token=page.next_page_token)
        assert (len(found(rest)), rest.next_page_token) == (202, "")
        for call in lists.each(page_size=-1):
            invalid(await failure(call), "page_size", "`-1`", "0 or more")


async def test_a_page_goes_on_with_its_own_question_only(lists):
    """A token that was changed, or belongs to another question, tenant, subject or list, begins no page."""
    token = (await lists.resources(page_size=1)).next_page_token
    assert token
    changed = ("A" if token[0] != "A" else "B") + token[1:]
    for other in ("x", changed, token[:-4], token + "AAAA"):
        invalid(await failure(lists.resources(page_token=other)), "page_token")
    others = [
        lists.resources("bob", page_token=token),
        lists.resources(action="edit", page_token=token),
        lists.resources(tenant="void", page_token=token),
        lists.resources(claims={"context": {"ip": "::1"}}, page_token=token),
        lists.subjects(page_token=token),
        lists.actions(page_token=token),
    ]
    for call in others:
        invalid(await failure(call), "page_token", "another question")
    assert found(await lists.resources(page_size=9, page_token=token)) == ["n2", "n3"]


async def test_what_a_list_finds_is_not_given(lists):
    """An ID where the list finds one is refused, and so is each field that is wrong, all of them at once."""
    resource, subject = pb.Resource(type="note", id="n1"), pb.Subject(id="ann")
    invalid(await failure(lists.resources(resource=resource)), "resource.id", "`n1`", "expected nothing")
    invalid(await failure(lists.subjects(subject=subject)), "subject.id", "`ann`", "expected nothing")
    error = await failure(lists.stub.ListResources(pb.ListResourcesRequest(page_size=1)))
    assert {*error.violations} == {"tenant", "subject.id", "action", "resource.type"}
    error = await failure(lists.stub.ListSubjects(pb.ListSubjectsRequest(page_size=1)))
    assert {*error.violations} == {"tenant", "action", "resource.type", "resource.id"}
    error = await failure(lists.stub.ListActions(pb.ListActionsRequest(page_size=1)))
    assert {*error.violations} == {"tenant", "subject.id", "resource.type", "resource.id"}


async def test_a_list_says_why_it_is_empty_where_no_rule_is_evaluated(lists):
    """Unknown tenants, types, actions and those who are no active members: an empty list with reason and rule."""
    song, service = pb.Resource(type="song"), pb.Subject(type="service", id="ann")
    for call, reason, rule in (
        *((call, "tenant_unknown", "") for call in lists.each(tenant="nowhere")),
        (lists.resources("pia"), "member_pending", "NT-05"),
        (lists.actions("pia"), "member_pending", "NT-05"),
        (lists.resources("ivy"), "member_inactive", ""),
        (lists.actions("ivy"), "member_inactive", ""),
        (lists.resources("zoe"), "not_a_member", "NT-06"),
        (lists.resources(service), "not_a_member", "NT-06"),
        (lists.subjects(subject=pb.Subject(type="service")), "not_a_member", "NT-06"),
        (lists.actions(service), "not_a_member", "NT-06"),
        (lists.resources(resource=song), "unknown_resource_type", ""),
        (lists.subjects(resource=pb.Resource(type="song", id="s")), "unknown_resource_type", ""),
        (lists.actions(resource=pb.Resource(type="song", id="s")), "unknown_resource_type", ""),
        (lists.resources(action="sing"), "unknown_action", ""),
        (lists.subjects("sing"), "unknown_action", ""),
    ):
        page = await call
        outcome = page.outcome
        assert (found(page), outcome.reason, outcome.rule) == ([], reason, rule)
        assert (page.next_page_token, outcome.partial) == ("", pb.PARTIAL_REASON_UNSPECIFIED)
        known = reason != "tenant_unknown"
        assert (outcome.revision, bool(outcome.policy_digest)) == (
            lists.revision("acme" if known else "nowhere"),
            known,
        )


async def test_a_list_of_nothing_has_no_reason(lists):
    """Where rules were asked and allow nothing the list is empty, whole, and gives no reason."""
    void = {"tenant": "void"}
    for call in (lists.resources("una", **void), lists.subjects(**void), lists.actions("una", **void)):
        page = await call
        assert (found(page), page.outcome.reason, page.outcome.rule, page.next_page_token) == ([], "", "", "")
        assert page.outcome.revision == lists.revision("void")


async def test_a_suspended_tenant(lists):
    """In a suspended tenant nothing is found by any list, nor on the next page of one that had begun."""
    token = (await lists.resources(page_size=1)).next_page_token
    suspended = (await apply(lists.core, SUSPENDED))["acme"]
    for call in (*lists.each(), lists.resources(page_token=token)):
        page = await call
        assert (found(page), page.outcome.reason, page.outcome.rule) == ([], "tenant_suspended", "NT-07")
        assert page.outcome.revision == TOKENS.encode("acme", suspended)


async def test_claims_count_for_every_candidate(lists):
    """What is claimed about the subject, the resources and the request counts for each that a list asks about."""
    here = {"context": {"ip": "::1"}}
    assert found(await lists.resources("bob")) == ["n1"]
    assert found(await lists.resources("bob", claims={"subject": {"clearance": 4}, **here})) == ["n1", "n2", "n3"]
    assert found(await lists.resources("bob", claims={"subject": {"clearance": 3}, **here})) == ["n1"]
    assert found(await lists.subjects(claims={"subject": {"clearance": 4}, **here})) == ["ann", "bob", "cem"]
    assert found(await lists.subjects("sign", claims={"resource": {"urgent": True}})) == ["ann", "bob", "cem"]
    assert found(await lists.resources("cem", "sign", claims={"resource": {"urgent": True}})) == ["n1", "n2", "n3"]
    assert found(await lists.actions("cem", claims={"resource": {"urgent": True}})) == ["sign"]


@pytest.mark.parametrize(
    ("claims", "field"),
    [
        ({"subject": {"clearance": "4"}}, "subject.properties.clearance"),
        ({"resource": {"urgent": "yes"}}, "resource.properties.urgent"),
        ({"context": {"ip": 1}}, "context.ip"),
    ],
)
async def test_a_claim_of_the_wrong_type_is_named(lists, claims, field):
    """It is refused with its field by every list, also where there is nobody and nothing to ask about."""
    for call in lists.each(claims=claims):
        invalid(await failure(call), field, "the pack declares it as")
    for call in (
        lists.resources("una", "burn", tenant="void", claims=claims),
        lists.subjects("burn", tenant="void", claims=claims),
        lists.actions("una", tenant="void", claims=claims),
    ):
        invalid(await failure(call), field, "the pack declares it as")


async def test_the_type_as_a_whole(lists):
    """With the ID `*` lists say who may do something with a type as such, and what somebody may."""
    assert found(await lists.subjects(resource="*")) == ["ann"]
    assert found(await lists.actions(resource="*")) == ["burn", "edit", "sign", "view"]
    assert found(await lists.actions("bob", "*")) == []


async def test_a_rule_that_denies_takes_from_lists(lists):
    """Where the tenant requires a second factor, who has none is on no list of what it forbids."""
    assert found(await lists.actions("bob")) == ["burn", "edit", "sign", "view"]
    await apply(lists.core, REQUIRED)
    assert found(await lists.actions("bob")) == ["burn", "sign", "view"]
    assert found(await lists.resources("bob", "edit")) == []
    assert found(await lists.resources("cem", "edit")) == ["n2"]
    assert found(await lists.subjects("edit", "n1")) == []
    assert found(await lists.subjects("edit", "n2")) == ["cem"]


async def test_a_rule_that_cannot_be_evaluated_fails_the_list(tmp_path):
    """One candidate that can't be decided about is no deny: the list ends with an error, and returns nothing."""
    model = f"{MODEL.rstrip()} && 9 / r.sub.quota > 1\n"
    facts = FACTS.replace("ann: {roles", "ann: {quota: 3, roles").replace("bob: {}", "bob: {quota: 0}")
    async with running(tmp_path, facts=facts, model=model) as lists:
        assert found(await lists.resources()) == ["n1", "n2", "n3"]
        for call in (lists.resources("bob"), lists.subjects(), lists.actions("bob")):
            error = await failure(call)
            assert (error.code, error.info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "EVALUATION_FAILED")
