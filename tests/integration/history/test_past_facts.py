"""ExportFacts as of a revision or a time, over gRPC."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidegate.authz.v1 import facts_pb2 as pb
from sidegate.authz.v1.facts_pb2_grpc import FactsServiceStub
from support.servers.companies import refused

_NUMBERS = count(1)
OTHERS = ("uma", "leo", "zoe")


@st.composite
def documents(draw):
    """Draw the lines of a tenant that the standard pack accepts."""
    members = draw(st.lists(st.sampled_from(OTHERS), unique=True))
    quotas = [draw(st.integers(0, 3)) for _ in members]
    inside = draw(st.lists(st.sampled_from(members), unique=True)) if members else []
    owned = draw(st.lists(st.sampled_from("abc"), unique=True))
    owners = [draw(st.sampled_from(["ann", *members])) for _ in owned]
    return "\n".join(
        (
            "    pack: standard",
            f"    suspended: {str(draw(st.booleans())).lower()}",
            f"    settings: {{require_mfa: {str(draw(st.booleans())).lower()}}}",
            "    members:",
            "      ann: {roles: [owner]}",
            *(f"      {id_}: {{roles: [member], quota: {quota}}}" for id_, quota in zip(members, quotas, strict=True)),
            f"    groups: {{sales: {{members: [{', '.join(inside)}]}}}}",
            "    resources: {"
            + ", ".join(f"'document:{id_}': {{owner: {owner}}}" for id_, owner in zip(owned, owners, strict=True))
            + "}",
        )
    )


async def apply(facts, tenant, lines):
    """Apply the lines of a tenant; return its revision and what is exported of it then."""
    answer = await facts.ApplyFacts(pb.ApplyFactsRequest(document=f"tenants:\n  {tenant}:\n{lines}\n"))
    return answer.tenants[0].revision, await export(facts, tenant)


async def export(facts, *tenants, **as_of):
    return (await facts.ExportFacts(pb.ExportFactsRequest(tenants=tenants, **as_of))).document


def timestamp(at):
    found = Timestamp()
    found.FromDatetime(at)
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(documents(), min_size=1, max_size=5))
async def test_each_revision_is_what_was_exported_then(found, written):
    """Any sequence of applied documents: as of each revision, and each time between two, the export of then returns."""
    company = await found()
    facts, tenant = FactsServiceStub(company.channel), f"past{next(_NUMBERS)}"
    seen = []
    for lines in written:
        revision, exported = await apply(facts, tenant, lines)
        seen.append((revision, timestamp(datetime.now(UTC)), exported))
    for revision, at, exported in seen:
        assert await export(facts, tenant, at_revision=revision) == exported
        assert await export(facts, tenant, at_time=at) == exported


async def test_all_tenants_of_a_time_are_exported(found):
    """Without names, a past export holds the tenants that were there then, and no later one."""
    first = await found("standard")
    facts = FactsServiceStub(first.channel)
    between = timestamp(datetime.now(UTC))
    second = await found("standard")
    document = await export(facts, at_time=between)
    assert f"\n  {first.tenant}:\n" in document
    assert f"\n  {second.tenant}:\n" not in document


@pytest.mark.parametrize("token", ["", "x", "A" * 32])
async def test_a_forged_revision_is_refused(found, token):
    """What this server never made is INVALID_ARGUMENT at `at_revision`."""
    company = await found("standard")
    call = FactsServiceStub(company.channel).ExportFacts
    refusal = await refused(call(pb.ExportFactsRequest(tenants=[company.tenant], at_revision=token)), "INVALID_INPUT")
    assert set(refusal.violations) == {"at_revision"}


async def test_a_revision_belongs_to_one_tenant(found):
    """Another tenant's revision is refused, and so is one for several tenants or none."""
    company, other = await found("standard"), await found("standard")
    facts = FactsServiceStub(company.channel)
    revision, _ = await apply(facts, company.tenant, "    pack: standard\n    members: {ann: {roles: [owner]}}")
    for tenants in ([other.tenant], [], [company.tenant, other.tenant]):
        asked = pb.ExportFactsRequest(tenants=tenants, at_revision=revision)
        refusal = await refused(facts.ExportFacts(asked), "INVALID_INPUT")
        assert set(refusal.violations) == {"at_revision"}


async def test_times_without_an_answer_are_refused(found):
    """A time in the future, one that is none, and one before the tenant was made, name their field."""
    company = await found("standard")
    facts = FactsServiceStub(company.channel)
    for at, field in (
        (timestamp(datetime.now(UTC) + timedelta(hours=1)), "at_time"),
        (Timestamp(seconds=2**60), "at_time"),
        (timestamp(datetime(2001, 1, 1, tzinfo=UTC)), "tenants[0]"),
    ):
        asked = pb.ExportFactsRequest(tenants=[company.tenant], at_time=at)
        assert set((await refused(facts.ExportFacts(asked), "INVALID_INPUT")).violations) == {field}
