"""Documents that are not of the documented form: each error has its file, line, key, and what is expected."""

import pytest

from support.facts.faults import refused

ID = "expected an ID of 1 to 256 characters without `*`, control characters, or space at its ends"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("tenants:\n  a*: {}", f"2: tenants.a*: `a*` is not right: {ID}"),
        ("tenants:\n  acme:\n    members: {' uma': }", f"3: tenants.acme.members. uma: ` uma` is not right: {ID}"),
        (
            'tenants:\n  acme:\n    groups:\n      "a\\tb": {}',
            f"4: tenants.acme.groups.a\\tb: `a\\tb` is not right: {ID}",
        ),
        (
            'tenants:\n  acme:\n    settings:\n      "a\\u202Eb": 1',
            (
                "4: tenants.acme.settings.a\\u202eb: `a\\u202eb` is not right: expected a name of letters, digits "
                "and `_`, such as `require_mfa`"
            ),
        ),
        (
            'tenants:\n  acme:\n    "x\\u202E": {}',
            (
                "3: tenants.acme.x\\u202e: unknown key `x\\u202e`: expected one of `grants`, `groups`, `members`, "
                "`pack`, `resources`, `roles`, `settings`, `suspended`"
            ),
        ),
        ('tenants: {"x\\u202E": {}, "x\\u202E": {}}', "1: key `x\\u202e` is given twice"),
        (
            "tenants:\n  acme:\n    roles:\n      a:b: {}",
            (
                "4: tenants.acme.roles.a:b: `a:b` is not right: expected a role's name of 1 to 64 characters "
                "without `:`, `*`, `,`, control characters, or space at its ends"
            ),
        ),
        (
            "tenants:\n  acme:\n    resources:\n      nda: {}",
            (
                "4: tenants.acme.resources.nda: `nda` is not right: expected `type:id`, such as `template:nda`, "
                "the ID without `*`, control characters, or space at its ends"
            ),
        ),
        (
            "tenants:\n  acme:\n    members:\n      uma:\n        quota: -1",
            "5: tenants.acme.members.uma.quota: `-1` is not right: expected a number of at least 0",
        ),
        (
            "tenants:\n  acme:\n    members:\n      uma: {status: retired}",
            (
                "4: tenants.acme.members.uma.status: `retired` is not right: expected one of "
                "`active`, `inactive`, `pending`"
            ),
        ),
        (
            "tenants:\n  acme:\n    members:\n      uma: {email: uma}",
            (
                "4: tenants.acme.members.uma.email: `uma` is not right: expected an e-mail address such as "
                "`uma@acme.example`; no two members of a tenant share one"
            ),
        ),
        (
            "tenants:\n  acme:\n    members:\n      uma: {}\n      uma: {}",
            "5: key `uma` is given twice",
        ),
        (
            "tenants:\n  acme:\n    grants:\n      - {role: admin, on: tenant, to: uma}",
            "4: tenants.acme.grants.0.to: `uma` is not right: expected `member:id` or `group:id`",
        ),
        (
            "tenants:\n  acme:\n    grants:\n      - {role: admin, on: tenant}",
            "4: tenants.acme.grants.0: `to` is missing",
        ),
        ("tenants:\n  acme: {member: {}}", "2: tenants.acme.member: unknown key `member`: did you mean `members`?"),
        ("tenants: [", "2: not valid YAML: did not find expected node content"),
    ],
)
def test_what_is_not_of_the_form_is_refused(text: str, fault: str) -> None:
    """Names outside the grammar, unknown keys and wrong values are refused before any pack is asked."""
    assert refused(text + "\n") == [f"facts.yaml:{fault}"]


def test_an_id_may_have_256_characters_and_no_more() -> None:
    """The length limit of identifiers is exact."""
    assert refused(f"tenants: {{{'a' * 256}: {{}}}}") == []
    assert len(refused(f"tenants: {{{'a' * 257}: {{}}}}")) == 1
