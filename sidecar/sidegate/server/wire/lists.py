"""Lists of what is allowed, on the wire, and the cursors of their pages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Final

from sidegate.authz.v1 import authorization_pb2 as pb
from sidegate.decision.search.search import ListQuery
from sidegate.model.decision import AllowedPage, PartialReason
from sidegate.server.wire.checks import CheckCodec, Part, Question
from sidegate.server.wire.tokens.pages import Page, PageTokens
from sidegate.server.wire.tokens.revision import RevisionTokens
from sidegate.server.wire.tokens.seals import Seals

_PARTIAL: Final[Mapping[PartialReason | None, pb.PartialReason.ValueType]] = {
    None: pb.PartialReason.PARTIAL_REASON_UNSPECIFIED,
    PartialReason.TIME_SPENT: pb.PARTIAL_REASON_TIME_SPENT,
    PartialReason.FACTS_CHANGED: pb.PARTIAL_REASON_FACTS_CHANGED,
}


class ListCodec:
    """Reads the questions of lists, and writes where their pages end.

    The token of a page holds the revision of the page before, so that no page is made from older facts.
    """

    def __init__(self, codec: CheckCodec, tokens: RevisionTokens, seals: Seals) -> None:
        self._codec = codec
        self._tokens = tokens
        self._pages = PageTokens(seals)

    def read(self, message: Question, part: Part) -> tuple[ListQuery, Page]:
        """Return a question with the page that is asked for.

        Raises:
            InvalidInput: names everything that is wrong with it.
        """
        request = self._codec.read_open(message, part)
        page = self._pages.open(message)
        if not page.after:
            return ListQuery(request, "", page.size), page
        after, token = json.loads(page.after)
        before = self._tokens.decode(request.tenant, token, field="page_token")
        newest = max(before, request.consistency.revision, key=attrgetter("number"))
        consistency = replace(request.consistency, revision=newest)
        return ListQuery(replace(request, consistency=consistency), after, page.size), page

    def token(self, asked: ListQuery, page: Page, found: AllowedPage) -> str:
        """Return the token of the next page, "" where this is the last."""
        if found.reached is None:
            return ""
        cursor = [found.reached, self._tokens.encode(asked.request.tenant, found.revision)]
        return self._pages.after(page, json.dumps(cursor, ensure_ascii=False, separators=(",", ":")))

    def outcome(self, asked: ListQuery, found: AllowedPage) -> pb.ListOutcome:
        """Return how far a page reaches, and what it was made from."""
        return pb.ListOutcome(
            partial=_PARTIAL[found.partial],
            reason=found.reason,
            rule=found.rule,
            policy_digest=found.policy_digest,
            revision=self._tokens.encode(asked.request.tenant, found.revision),
        )
