"""AuthorizationService, whatever transport carries it."""

from __future__ import annotations

import asyncio

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.decision.search.search import Search
from sidegate.errors import InvalidInput, Violation
from sidegate.ports.decider import Decider
from sidegate.runtime.time_slices import next_time_slice
from sidegate.server.calls.errors import report_error
from sidegate.server.wire.checks import CheckCodec, Part
from sidegate.server.wire.lists import ListCodec
from sidegate.server.wire.validation import within_field

_AT_ONCE = 8
"""Checks of one batch that run together; other calls run between two such groups."""


class AuthorizationHandler:
    """Answers questions through a decider and a search; errors are Sidegate's own; the transport maps them."""

    def __init__(
        self, decider: Decider, search: Search, *, codec: CheckCodec, lists: ListCodec, max_checks: int = 100
    ) -> None:
        self._decider = decider
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
        """Decide several questions, in their order; the error of one is its result.

        Raises:
            InvalidInput: there are more of them than the limit.
        """
        checks = message.checks
        if len(checks) > self._max_checks:
            expected = f"expected at most {self._max_checks} in one batch"
            raise InvalidInput(Violation("checks", f"`{len(checks)}` checks are too many: {expected}"))
        results: list[pb.BatchCheckResult] = []
        for start in range(0, len(checks), _AT_ONCE):
            await next_time_slice()
            group = enumerate(checks[start : start + _AT_ONCE], start)
            results += await asyncio.gather(*(self._result(position, check) for position, check in group))
        return pb.BatchCheckResponse(results=results)

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

    async def _result(self, position: int, check: pb.CheckRequest) -> pb.BatchCheckResult:
        field = f"checks[{position}]"
        try:
            return pb.BatchCheckResult(response=await self.check(check))
        except InvalidInput as error:
            failure: Exception = within_field(field, error)
        except Exception as error:  # noqa: BLE001 - one item fails alone, whatever happened to it; it is logged
            failure = error
        return pb.BatchCheckResult(error=report_error(failure, call=f"BatchCheck {field}"))
