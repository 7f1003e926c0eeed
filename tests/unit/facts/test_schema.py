"""The published JSON Schema of facts documents."""

import json
from typing import Any

import pytest
from hypothesis import given
from jsonschema_rs import meta

from sidegate.documents.json_schema import check_schema, schema_text
from sidegate.documents.yaml import parse_document
from sidegate.facts.write import write_facts
from support.facts.written import written_facts
from support.unhurried import unhurried


def faults(text: str) -> list[str]:
    """Return the errors of a document by the schema."""
    return [str(fault) for fault in check_schema(parse_document(text, "facts.yaml"), "facts")]


@pytest.mark.parametrize("schema", ["callers", "facts", "pack", "policy-test"])
def test_published_schemas_are_json_schemas(schema: str) -> None:
    """A published schema keeps to its own dialect, so that editors can load it."""
    assert meta.is_valid(json.loads(schema_text(schema)))


@unhurried
@given(written_facts())
def test_all_that_is_written_is_accepted(facts: Any) -> None:
    """What an export writes is of the published form."""
    assert faults(write_facts([facts])) == []


@pytest.mark.parametrize("text", ["", "[]", "tenants", "{}", "tenants: []", "{tenants: {}, tenant: {}}"])
def test_other_documents_are_refused(text: str) -> None:
    """What is no facts document at all is refused."""
    assert faults(text)


@pytest.mark.parametrize(
    ("quota", "accepted"),
    [
        *((quota, True) for quota in ("0", "3", "3.0", str(2**53 - 1))),
        *((quota, False) for quota in (str(2**53), "-1", "1.5", "true", "'3'", "null", "[]")),
    ],
)
def test_a_quota_is_a_whole_number_within_bounds(quota: str, accepted: bool) -> None:
    """Booleans and strings are not accepted as numbers, and the bounds are exact."""
    assert (faults(f"tenants: {{acme: {{members: {{uma: {{quota: {quota}}}}}}}}}") == []) is accepted


def test_the_members_ids_are_checked_by_their_own_pattern() -> None:
    """An invalid ID is reported at its own line, with what is expected."""
    assert faults("tenants:\n  acme:\n    members:\n      'u*': {}\n      uma: {}\n")[0].startswith(
        "facts.yaml:4: tenants.acme.members.u*: `u*` is not right: expected "
    )


@pytest.mark.parametrize(
    ("suspended", "accepted"),
    [("true", True), ("false", True), ("'true'", False), ("1", False), ("null", False), ("[]", False)],
)
def test_whether_a_tenant_is_suspended_is_true_or_false(suspended: str, accepted: bool) -> None:
    """Only a boolean is accepted, so that no typing error resumes a tenant."""
    assert (faults(f"tenants: {{acme: {{suspended: {suspended}}}}}") == []) is accepted
