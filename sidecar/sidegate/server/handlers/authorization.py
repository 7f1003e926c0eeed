"""AuthorizationService, whatever transport carries it."""

from __future__ import annotations

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.decision.search.search import Search
from sidegate.errors import InvalidInput, Violation
from sidegate.model.decision import Decision
from sidegate.model.question import Request
from sidegate.ports.decider import BatchDecider, Decider
from sidegate.runtime.time_slices import in_time_slices
from sidegate.server.calls.errors import report_error
from sidegate.server.wire.checks import CheckCodec, Part
from sidegate.server.wire.lists import ListCodec
from sidegate.server.wire.validation import within_field


class AuthorizationHandler:
    """Answers questions through a decider and a search; errors are Sidegate's own; the transport maps them."""

    def __init__(  # noqa: PLR0913 - half of them are keywords
        self,
        decider: Decider,
        batches: BatchDecider,
        search: Search,
        *,
        codec: CheckCodec,
        lists: ListCodec,
        max_checks: int = 100,
    ) -> None:
        self._decider = decider
        self._batches = batches
        self._search = search
        self._codec = codec
        self._lists = lists
        self._max_checks = max_checks

    async def check(self, message: pb.CheckRequest) -> pb.CheckResponse:
        """Decide one question.

        Raises:
            InvalidInput: the question is wrong.
            SidegateError: it could not be decided; the caller must treat that as a deny.
        """
        request = self._codec.read(message)
        return self._codec.write(request, await self._decider.decide(request))

    async def batch_check(self, message: pb.BatchCheckRequest) -> pb.BatchCheckResponse:
        """Decide several questions, those of each tenant from one revision; the error of one is its result.

        Raises:
            InvalidInput: there are more of them than the limit.
        """
        checks = message.checks
        if len(checks) > self._max_checks:
            expected = f"expected at most {self._max_checks} in one batch"
            raise InvalidInput(Violation("checks", f"`{len(checks)}` checks are too many: {expected}"))
        asked: dict[int, Request] = {}
        results: dict[int, pb.BatchCheckResult] = {}
        async for position, check in in_time_slices(enumerate(checks)):
            try:
                asked[position] = self._codec.read(check)
            except InvalidInput as error:
                results[position] = _failed(position, error)
        outcomes = zip(asked.items(), await self._batches.decide([*asked.values()]), strict=True)
        revisions: dict[str, str] = {}
        async for (position, request), outcome in in_time_slices(outcomes):
            if isinstance(outcome, Decision):
                response = self._codec.write(request, outcome)
                revisions[request.tenant] = response.revision
                results[position] = pb.BatchCheckResult(response=response)
            else:
                results[position] = _failed(position, outcome)
        return pb.BatchCheckResponse(results=[results[n] for n in range(len(checks))], revisions=revisions)

    async def list_resources(self, message: pb.ListResourcesRequest) -> pb.ListResourcesResponse:
        """Return a page of the resources on which the subject may do the action.

        Raises:
            InvalidInput: the question or the page's token is wrong.
            SidegateError: it could not be decided; the caller must treat all of them as denied.
        """
        asked, page = self._lists.read(message, Part.RESOURCE)
        found = await self._search.resources(asked)
        return pb.ListResourcesResponse(
            resources=[pb.AllowedResource(id=one.id, rule=one.rule) for one in found.found],
            next_page_token=self._lists.token(asked, page, found),
            outcome=self._lists.outcome(asked, found),
        )

    async def list_subjects(self, message: pb.ListSubjectsRequest) -> pb.ListSubjectsResponse:
        """Return a page of the subjects that may do the action on the resource.

        Raises:
            InvalidInput: the question or the page's token is wrong.
            SidegateError: it could not be decided; the caller must treat all of them as denied.
        """
        asked, page = self._lists.read(message, Part.SUBJECT)
        found = await self._search.subjects(asked)
        return pb.ListSubjectsResponse(
            subjects=[pb.AllowedSubject(id=one.id, rule=one.rule) for one in found.found],
            next_page_token=self._lists.token(asked, page, found),
            outcome=self._lists.outcome(asked, found),
        )

    async def list_actions(self, message: pb.ListActionsRequest) -> pb.ListActionsResponse:
        """Return a page of the actions that the subject may do on the resource.

        Raises:
            InvalidInput: the question or the page's token is wrong.
            SidegateError: it could not be decided; the caller must treat all of them as denied.
        """
        asked, page = self._lists.read(message, Part.ACTION)
        found = await self._search.actions(asked)
        return pb.ListActionsResponse(
            actions=[pb.AllowedAction(action=one.id, rule=one.rule) for one in found.found],
            next_page_token=self._lists.token(asked, page, found),
            outcome=self._lists.outcome(asked, found),
        )


def _failed(position: int, error: Exception) -> pb.BatchCheckResult:
    """Return the result of a question that could not be decided: it fails alone, and is logged."""
    field = f"checks[{position}]"
    failure = within_field(field, error) if isinstance(error, InvalidInput) else error
    return pb.BatchCheckResult(error=report_error(failure, call=f"BatchCheck {field}"))
