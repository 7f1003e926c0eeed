"""Runs policy tests against any answerer: the evaluator, the decision chain or a server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from sidegate.documents.yaml import Document
from sidegate.errors import Fault, FaultyFiles, PolicyTestError, RuleFailed, SidegateError
from sidegate.model.decision import Decision
from sidegate.model.question import Request
from sidegate.policy.testing.file import PolicyCheck, PolicyTestFile


class Answerer(Protocol):
    """Decides the checks of test files, one file after the other."""

    async def prepare(self, pack: str, facts: Document) -> None:
        """Replace all facts by these; `pack` decides for each tenant that names no pack.

        Raises:
            FaultyFiles: the facts document is wrong, or there is no such pack.
        """
        ...

    async def decide(self, request: Request) -> Decision:
        """Answer one check.

        Raises:
            SidegateError: could not decide.
        """
        ...


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The answer to a check: a decision, or the error that was raised."""

    file: str
    check: PolicyCheck
    decision: Decision | None
    error: str = ""

    @property
    def line(self) -> int:
        """The line of the check in its file."""
        return self.check.line

    @property
    def passed(self) -> bool:
        """Whether the decision is as expected, and so are reason and deciding rule where the check names them."""
        check, found = self.check, self.decision
        return (
            found is not None
            and found.allowed is check.allowed
            and check.reason in (None, found.reason)
            and check.decided_by in (None, found.rule)
        )

    @property
    def asked(self) -> str:
        """The question in a line, such as `acme: theo update template:nda`."""
        request = self.check.request
        return f"{request.tenant}: {request.subject.id} {request.action} {request.resource.type}:{request.resource.id}"

    @property
    def expected(self) -> str:
        """The expected answer, such as `deny (member_pending, EL-08)`."""
        return _words(self.check.allowed, self.check.reason, self.check.decided_by)

    @property
    def got(self) -> str:
        """The answer in the form of `expected`; with reason and rule only where the check names them."""
        if self.decision is None:
            return f"error: {self.error}"
        reason = self.decision.reason if self.check.reason is not None else None
        rule = self.decision.rule if self.check.decided_by is not None else None
        return _words(self.decision.allowed, reason, rule)


async def run_tests(files: Iterable[PolicyTestFile], answerer: Answerer) -> tuple[CheckResult, ...]:
    """Ask all checks of all files, in order.

    Raises:
        PolicyTestError: facts are wrong; names every fault of all files.
    """
    results: list[CheckResult] = []
    faults: list[Fault] = []
    for file in files:
        try:
            await answerer.prepare(file.pack, file.facts)
        except FaultyFiles as error:
            faults.extend(fault for fault in error.faults if fault not in faults)
            continue
        results.extend([await _ask(check, file.file, answerer) for check in file.checks])
    if faults:
        raise PolicyTestError(*faults)
    return tuple(results)


async def _ask(check: PolicyCheck, file: str, answerer: Answerer) -> CheckResult:
    try:
        return CheckResult(file, check, await answerer.decide(check.request))
    except RuleFailed as error:
        return CheckResult(file, check, None, f"{error}: {error.detail}")
    except SidegateError as error:
        return CheckResult(file, check, None, str(error))


def _words(allowed: bool, reason: str | None, rule: str | None) -> str:  # noqa: FBT001 - the decision itself
    more = ", ".join(part or "no rule" for part in (reason, rule) if part is not None)
    return ("allow" if allowed else "deny") + (f" ({more})" if more else "")
