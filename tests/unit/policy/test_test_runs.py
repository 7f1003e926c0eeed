"""Running policy tests and reporting them, with a scripted answerer."""

import json
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sidegate.documents.yaml import Document
from sidegate.errors import EvaluationError, FactsError, PolicyTestError, SidegateError
from sidegate.model.decision import Decision
from sidegate.model.question import Request
from sidegate.policy.testing.file import PolicyTestFile, read_test_file
from sidegate.policy.testing.report import COLUMNS, failures, summary, to_json, to_junit
from sidegate.policy.testing.run import CheckResult, run_tests

ALLOW = Decision(allowed=True, reason="allowed_by_rule", rule="SM-02")
DENY = Decision(allowed=False, reason="quota_exhausted", rule="SM-03")


class Scripted:
    """Answers by action; an error is raised."""

    def __init__(self, answers: Mapping[str, Decision | SidegateError]) -> None:
        self.answers = answers
        self.prepared: list[tuple[str, object]] = []
        self.asked: list[Request] = []

    async def prepare(self, pack: str, facts: Document) -> None:
        self.prepared.append((pack, facts.value))
        if "wrong" in facts.value["tenants"]:
            raise FactsError(facts.fault(("tenants", "wrong"), "wrong"))

    async def decide(self, request: Request) -> Decision:
        self.asked.append(request)
        answer = self.answers[request.action]
        if isinstance(answer, SidegateError):
            raise answer
        return answer


def file_of(directory: Path, *checks: str, tenant: str = "acme", name: str = "t.yaml") -> PolicyTestFile:
    lines = [f"  - {{tenant: acme, subject: uma, resource: 'note:n', {check}}}" for check in checks]
    path = directory / name
    path.write_text("\n".join(["pack: small", f"facts: {{tenants: {{{tenant}: {{}}}}}}", "checks:", *lines]))
    return read_test_file(path)


async def results_of(directory: Path, *checks: str) -> tuple[CheckResult, ...]:
    answers = {"view": ALLOW, "edit": DENY, "burn": EvaluationError("no fire")}
    return await run_tests([file_of(directory, *checks)], Scripted(answers))


@pytest.mark.parametrize(
    ("check", "passed"),
    [
        ("action: view, expect: allow", True),
        ("action: view, expect: deny", False),
        ("action: edit, expect: deny", True),
        ("action: edit, expect: allow", False),
        ("action: edit, expect: deny, reason: quota_exhausted", True),
        ("action: edit, expect: deny, reason: mfa_required", False),
        ("action: edit, expect: deny, decided_by: SM-03", True),
        ("action: edit, expect: deny, decided_by: SM-01", False),
        ("action: edit, expect: deny, decided_by: ''", False),
        ("action: burn, expect: deny", False),
        ("action: burn, expect: allow", False),
    ],
)
async def test_a_check_passes_where_decision_reason_and_rule_agree(tmp_path: Path, check: str, passed: bool) -> None:
    """Decision, and reason and rule where given, must agree; an error never passes."""
    (result,) = await results_of(tmp_path, check)

    assert result.passed is passed


async def test_facts_are_prepared_once_per_file_and_requests_passed_on(tmp_path: Path) -> None:
    """Each file's facts come before its checks, which send their claims unchanged."""
    answerer = Scripted({"view": ALLOW})
    claims = "action: view, expect: allow, context: {ip: x}, properties: {a: 1}, subject_properties: {b: 2}"
    files = [file_of(tmp_path, claims, name="a.yaml"), file_of(tmp_path, claims, claims, tenant="b", name="b.yaml")]
    results = await run_tests(files, answerer)

    assert answerer.prepared == [("small", {"tenants": {"acme": {}}}), ("small", {"tenants": {"b": {}}})]
    assert [(Path(result.file).name, result.line) for result in results] == [
        ("a.yaml", 4),
        ("b.yaml", 4),
        ("b.yaml", 5),
    ]
    (request, *_) = answerer.asked
    assert (request.context, request.resource.properties, request.subject.properties) == (
        {"ip": "x"},
        {"a": 1},
        {"b": 2},
    )


async def test_wrong_facts_stop_the_run_with_the_faults_of_all_files(tmp_path: Path) -> None:
    """A run with refused facts never passes, and the faults of every file are reported."""
    files = [
        file_of(tmp_path, "action: view, expect: allow", tenant="wrong", name=f"{name}.yaml") for name in ("a", "b")
    ]
    with pytest.raises(PolicyTestError) as caught:
        await run_tests(files, Scripted({}))

    assert [Path(fault.file).name for fault in caught.value.faults] == ["a.yaml", "b.yaml"]


async def test_failures_say_what_was_expected_and_what_came(tmp_path: Path) -> None:
    """A row of the failure table has file and line, rule, question, expected, got, reason and deciding rule."""
    results = await results_of(
        tmp_path,
        "rule: SM-02, action: view, expect: allow",
        "rule: SM-03, action: edit, expect: allow, decided_by: SM-02",
        "note: No fire., action: burn, expect: deny",
    )
    path = tmp_path / "t.yaml"

    assert summary(results) == "3 checks in 1 file: 1 passed, 2 failed"
    assert len(COLUMNS) == 7
    assert failures(results) == [
        (f"{path}:5", "SM-03", "acme: uma edit note:n", "allow (SM-02)", "deny (SM-03)", "quota_exhausted", "SM-03"),
        (f"{path}:6", "No fire.", "acme: uma burn note:n", "deny", "error: no fire", "", ""),
    ]


async def test_json_holds_every_result(tmp_path: Path) -> None:
    """The JSON report has one result for the run, and each check with its answer."""
    report = json.loads(
        to_json(await results_of(tmp_path, "action: view, expect: allow", "action: burn, expect: deny"))
    )

    assert (report["passed"], report["checks"], report["failed"]) == (False, 2, 1)
    assert [(entry["line"], entry["passed"], entry["error"]) for entry in report["results"]] == [
        (4, True, ""),
        (5, False, "no fire"),
    ]
    assert report["results"][0]["decided_by"] == "SM-02"


async def test_junit_counts_failures_and_errors_apart(tmp_path: Path) -> None:
    """The JUnit report is XML that CI reads: a suite per file, a failure for a wrong decision, an error for none."""
    checks = ("action: view, expect: allow", "action: edit, expect: allow", "action: burn, expect: deny")
    root = ET.fromstring(to_junit(await results_of(tmp_path, *checks)))
    (suite,) = root

    assert root.tag == "testsuites"
    assert {key: suite.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "3",
        "failures": "1",
        "errors": "1",
    }
    assert [[child.tag for child in case] for case in suite] == [[], ["failure"], ["error"]]
    assert suite[1][0].get("message") == "expected allow, got deny"


async def test_junit_survives_what_xml_can_not_hold(tmp_path: Path) -> None:
    """Control characters and markup in a check's words don't break the report."""
    report = to_junit(await results_of(tmp_path, r'action: view, expect: deny, reason: "\x01<&>\uffff"'))

    assert "\N{REPLACEMENT CHARACTER}<&>" in (ET.fromstring(report)[0][0][0].get("message") or "")
