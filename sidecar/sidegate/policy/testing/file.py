"""Policy test files: questions and the decisions that are expected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidegate.documents.json_schema import check_schema
from sidegate.documents.suggestions import nearest
from sidegate.documents.yaml import Document, parse_document
from sidegate.errors import Fault, FaultyFiles, PolicyTestError
from sidegate.model.decision import Reason
from sidegate.model.identifiers import refused_character
from sidegate.model.question import Request, Resource, Subject
from sidegate.model.reference import split_ref
from sidegate.policy.pack.files import is_inside, read_inside
from sidegate.policy.pack.load import SCHEMA
from sidegate.policy.pack.schema import Schema

TESTS = "tests"
"""The folder of a pack that holds its test files."""
_CHECKS = "checks"
_NAMES = ("tenant", "subject", "action", "resource")
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class PolicyCheck:
    """One question and the expected answer; `reason` and `decided_by` are None where any value is accepted."""

    line: int
    rule: str
    note: str
    request: Request
    allowed: bool
    reason: str | None = None
    decided_by: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyTestFile:
    """A test file: its checks and their facts document, whose faults name the file and lines it was read from."""

    file: str
    pack: str
    facts: Document
    checks: tuple[PolicyCheck, ...]
    document: Document


def find_test_files(path: Path) -> tuple[Path, ...]:
    """Return the test files of a file (itself), of a pack, or of a directory of packs, sorted.

    They are the YAML files directly inside folders named `tests`; where there are none, those directly inside `path`.

    Raises:
        PolicyTestError: there is no such file, or none in the directory.
    """
    if path.is_file():
        return (path,)
    inside = [file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file()]
    found = [file for file in inside if file.parent.name == TESTS] or [p for p in inside if p.parent == path]
    if not found:
        what = "there is no test file in it" if path.is_dir() else "no such file or directory"
        raise PolicyTestError(Fault(str(path), 0, "", what))
    return tuple(sorted(found))


def read_test_files(paths: Iterable[Path]) -> tuple[PolicyTestFile, ...]:
    """Read test files.

    Raises:
        PolicyTestError: files are wrong; names every fault of all of them.
    """
    found: list[PolicyTestFile] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            found.append(read_test_file(path))
        except PolicyTestError as error:
            faults.extend(error.faults)
    if faults:
        raise PolicyTestError(*faults)
    return tuple(found)


def read_test_file(path: Path) -> PolicyTestFile:
    """Read one test file, and the facts that it names by path.

    Raises:
        PolicyTestError: the file is wrong; names every fault with line and key.
    """
    document = _parsed(path, str(path))
    if faults := check_schema(document, "policy-test") or tuple(_invisible(document)):
        raise PolicyTestError(*faults)
    value: Any = document.value
    return PolicyTestFile(
        file=str(path),
        pack=value["pack"],
        facts=_facts(path, document),
        checks=tuple(_check(given, document.line(("checks", at))) for at, given in enumerate(value["checks"])),
        document=document,
    )


def unknown_names(file: PolicyTestFile, schemas: Sequence[Schema]) -> Iterator[Fault]:
    """Yield a fault for each rule and reason in a test file that none of the packs has."""
    rules = {id_ for schema in schemas for id_ in schema.rules}
    reasons = {str(reason) for reason in Reason}
    reasons |= {rule.reason for schema in schemas for rule in schema.rules.values() if rule.reason}
    for at, check in enumerate(file.checks):
        named = (
            ("rule", check.rule, rules),
            ("decided_by", check.decided_by, rules),
            ("reason", check.reason, reasons),
        )
        for key, name, known in named:
            if name and name not in known:
                kind = "reason" if key == "reason" else "rule"
                yield file.document.fault(("checks", at, key), f"`{name}` is no {kind}: {nearest(name, known)}")


def _invisible(document: Document) -> Iterator[Fault]:
    """Yield a fault for each name in a check, and each key of its properties, that has an invisible character."""
    value: Any = document.value
    for path in document.lines:
        if path[:1] == (_CHECKS,) and isinstance(path[-1], str) and (message := refused_character(path[-1])):
            yield document.fault(path, message)
    for at, check in enumerate(value[_CHECKS]):
        for key in _NAMES:
            if message := refused_character(check[key]):
                yield document.fault((_CHECKS, at, key), message)


def _facts(path: Path, document: Document) -> Document:
    given: Any = document.value
    if not isinstance(given["facts"], str):
        return document.part("facts")
    file = path.parent / given["facts"]
    if not file.is_file():
        raise PolicyTestError(document.fault(("facts",), f"`{given['facts']}` is no file relative to this one"))
    if not is_inside(_root(path), file):
        raise PolicyTestError(document.fault(("facts",), f"`{given['facts']}` is not inside {_root(path)}"))
    return _parsed(file, str(file))


def _root(path: Path) -> Path:
    """Return the directory that a test file, and the facts that it names, must be inside: its pack, else its own."""
    return next((parent for parent in path.absolute().parents if (parent / SCHEMA).is_file()), path.parent)


def _parsed(path: Path, name: str) -> Document:
    try:
        return parse_document(read_inside(_root(path), path).decode("utf-8"), name)
    except FaultyFiles as error:
        raise PolicyTestError(*error.faults) from error
    except OSError as error:
        raise PolicyTestError(Fault(name, 0, "", f"can't be read: {error.strerror}")) from error
    except UnicodeDecodeError as error:
        raise PolicyTestError(Fault(name, 0, "", "not UTF-8; save the file as UTF-8")) from error


def _check(given: Any, line: int) -> PolicyCheck:
    request = Request(
        tenant=given["tenant"],
        subject=Subject(given["subject"], properties=given.get("subject_properties", {})),
        action=given["action"],
        resource=Resource(*split_ref(given["resource"]), properties=given.get("properties", {})),
        context=given.get("context", {}),
    )
    return PolicyCheck(
        line=line,
        rule=given.get("rule", ""),
        note=given.get("note", ""),
        request=request,
        allowed=given["expect"] == "allow",
        reason=given.get("reason"),
        decided_by=given.get("decided_by"),
    )
