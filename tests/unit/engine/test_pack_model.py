"""The packs' model: scoped roles, groups, a deny with its reason, and links of one evaluation."""

import pytest

from sidegate.engine import ENGINES, evaluate
from sidegate.errors import EvaluationError
from sidegate.model.rules import RoleLinks
from support.packs.model import ROWS, ask, compile_pack, entity

NDA_DOCUMENT = entity("document:d1", "template:nda")
OTHER_DOCUMENT = entity("document:d2", "template:other")


def member(name, status="active"):
    return entity(f"member:{name}", status=status)


@pytest.fixture(params=ENGINES)
def program(request):
    return compile_pack(ROWS, request.param)


@pytest.mark.parametrize(
    ("who", "what", "action", "rule"),
    [
        ("ted", entity("template:nda"), "clone", "EF-07"),
        ("ted", entity("template:nda"), "delete", None),
        ("uma", NDA_DOCUMENT, "view", "EF-09"),
        ("uma", OTHER_DOCUMENT, "view", None),
        ("rep", OTHER_DOCUMENT, "anything", "EF-01"),
        ("nobody", NDA_DOCUMENT, "view", None),
    ],
)
def test_roles_count_in_their_scope(program, who, what, action, rule):
    """A role counts on the scope of its grant only, given directly or through a group."""
    answer = evaluate(program, ask(member(who), what, action))
    assert (answer.allowed, answer.rule and answer.rule[-1]) == (rule is not None, rule)


def test_a_deny_overrides_an_allow_and_is_the_explanation(program):
    """The row that denied is the explanation, where an allow matched too."""
    answer = evaluate(program, ask(member("rep", status="inactive"), NDA_DOCUMENT, "view"))
    assert not answer.allowed
    assert answer.rule is not None
    assert answer.rule[-1] == "EL-07"


def test_another_tenant_does_not_count(program):
    """A role in one tenant decides nothing in another."""
    assert not evaluate(program, ask(member("rep"), NDA_DOCUMENT, "view", tenant="other")).allowed


def test_links_of_one_evaluation_count_in_it_only(program):
    """Links given to one evaluation count in it, also through a group, and in no other."""
    request = ask(member("uma"), OTHER_DOCUMENT, "sign")
    direct = RoleLinks.of([("member:uma", "owner", "document:d2")])
    grouped = RoleLinks.of([("group:sales", "owner", "document:d2")])
    foreign = RoleLinks.of([("group:legal", "owner", "document:d2"), ("member:uma", "owner", "document:d3")])
    assert evaluate(program, request, direct).allowed
    assert evaluate(program, request, grouped).allowed
    assert not evaluate(program, request, foreign).allowed
    assert not evaluate(program, request).allowed


def test_with_rows_leaves_the_old_program_as_it_is(program):
    """Added rows count in the new program only, removed ones in the old only."""
    changed = program.with_rows(
        added=[
            ("p", "Reviewer", "tenant", "document", "comment", "True", "allow", "custom"),
            ("g", "member:ted", "Reviewer", "tenant:acme"),
        ],
        removed=[("g", "member:uma", "group:sales", "*")],
    )
    comment = ask(member("ted"), NDA_DOCUMENT, "comment")
    view = ask(member("uma"), NDA_DOCUMENT, "view")
    assert [evaluate(each, comment).allowed for each in (program, changed)] == [False, True]
    assert [evaluate(each, view).allowed for each in (program, changed)] == [True, False]


def test_a_missing_property_is_an_error(program):
    """A condition that reads an undeclared property fails, and nothing is allowed."""
    with pytest.raises(EvaluationError, match="status"):
        evaluate(program, ask(entity("member:rep"), NDA_DOCUMENT, "view"))
