"""Reports of policy tests: a table of failures, JUnit XML, JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from sidegate.model.properties import Json
from sidegate.policy.testing.run import CheckResult

COLUMNS: Final = ("where", "about", "check", "expected", "got", "reason", "decided by")
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def summary(results: Sequence[CheckResult]) -> str:
    """Return the sentence that ends a run."""
    failed = sum(not result.passed for result in results)
    files = len({result.file for result in results})
    return f"{len(results)} checks in {files} {_plural(files, 'file')}: {len(results) - failed} passed, {failed} failed"


def failures(results: Iterable[CheckResult]) -> list[tuple[str, ...]]:
    """Return one row of COLUMNS per failed check."""
    return [_row(result) for result in results if not result.passed]


def to_json(results: Sequence[CheckResult]) -> str:
    """Return all results as a JSON document."""
    document = {
        "passed": all(result.passed for result in results),
        "checks": len(results),
        "failed": sum(not result.passed for result in results),
        "results": [_entry(result) for result in results],
    }
    return json.dumps(document, ensure_ascii=False, indent=2)


def to_junit(results: Sequence[CheckResult]) -> str:
    """Return all results as JUnit XML, a test suite per file."""
    root = Element("testsuites", _counts(results))
    for file, group in groupby(results, key=lambda result: result.file):
        inside = list(group)
        suite = SubElement(root, "testsuite", {"name": _xml(file), **_counts(inside)})
        for result in inside:
            _case(suite, result)
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: Element, result: CheckResult) -> None:
    name = f"{result.line}: {' '.join(filter(None, (result.check.rule, result.asked)))}"
    attributes = {"name": _xml(name), "classname": _xml(result.file), "file": _xml(result.file)}
    case = SubElement(suite, "testcase", {**attributes, "line": str(result.line)})
    if result.passed:
        return
    message = f"expected {result.expected}, got {result.got}"
    failure = SubElement(case, "failure" if result.decision else "error", {"message": _xml(message)})
    if decision := result.decision:
        failure.text = _xml(f"reason: {decision.reason}\ndecided by: {decision.rule or 'no rule'}")


def _counts(results: Sequence[CheckResult]) -> dict[str, str]:
    errors = sum(result.decision is None for result in results)
    failed = sum(not result.passed for result in results)
    return {"tests": str(len(results)), "failures": str(failed - errors), "errors": str(errors)}


def _row(result: CheckResult) -> tuple[str, ...]:
    decision = result.decision
    return (
        f"{result.file}:{result.line}",
        result.check.rule or result.check.note,
        result.asked,
        result.expected,
        result.got,
        decision.reason if decision else "",
        decision.rule if decision else "",
    )


def _entry(result: CheckResult) -> dict[str, Json]:
    decision = result.decision
    return {
        "file": result.file,
        "line": result.line,
        "rule": result.check.rule,
        "note": result.check.note,
        "check": result.asked,
        "passed": result.passed,
        "expected": result.expected,
        "got": result.got,
        "reason": str(decision.reason) if decision else None,
        "decided_by": decision.rule if decision else None,
        "error": result.error,
    }


def _xml(text: str) -> str:
    """Return text without what XML can't hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"
