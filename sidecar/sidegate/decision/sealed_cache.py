"""Decisions in a cache that others can write to: without the deployment's secret none can be made, altered or moved."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable
from typing import Final

from sidegate import __version__
from sidegate.decision.cache_key import Question, encoded
from sidegate.decision.local_cache import jittered
from sidegate.model.decision import Decision, Obligation
from sidegate.model.revision import Revision
from sidegate.ports.shared_cache import SharedCache
from sidegate.telemetry.cache import UNCOUNTED, CacheEvent, CacheObserver

FORMAT: Final = 3
_SEAL_BYTES: Final = 32
_WRITER: Final = json.JSONEncoder(allow_nan=False, default=dict, separators=(",", ":"), sort_keys=True)


class SealedDecisions:
    """Decisions by question, revision and policy digest, each under a name that only the deployment can compute.

    The name is an HMAC-SHA256 of all that the decision depends on, with the engine and the release that decided: a
    question can neither be read from it nor be guessed. The seal is an HMAC of name and content.
    """

    def __init__(
        self, cache: SharedCache, secret: bytes, *, engine: str, seconds: float, observer: CacheObserver = UNCOUNTED
    ) -> None:
        self._cache = cache
        self._secret = secret
        self._maker: tuple[int, str, str] = (FORMAT, __version__, engine)
        self._seconds = seconds
        self._observer = observer

    def __repr__(self) -> str:
        return f"SealedDecisions({self._cache!r})"

    async def get(self, question: Question, *, revision: Revision, policy_digest: str) -> Decision | None:
        """Return the decision that is stored; None where there is none that was made with the deployment's secret."""
        name = self._name(question, revision, policy_digest)
        sealed = await self._cache.get(name)
        if sealed is None:
            return None
        seal, content = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(name, content)):
            self._observer.count(CacheEvent.REJECTED)
            return None
        return _read(content)

    def put(self, question: Question, decision: Decision) -> None:
        """Store a decision, under the revision and the rules that it was made from."""
        name = self._name(question, decision.revision, decision.policy_digest)
        content = _written(decision)
        self._cache.put(name, self._seal(name, content) + content, seconds=jittered(self._seconds))

    def _name(self, question: Question, revision: Revision, policy_digest: str) -> bytes:
        encoding = encoded((*self._maker, policy_digest, revision.number, revision.time, *question))
        return hmac.digest(self._secret, b"name\0" + encoding, "sha256")

    def _seal(self, name: bytes, content: bytes) -> bytes:
        return hmac.digest(self._secret, b"seal\0" + name + content, "sha256")


def _written(decision: Decision) -> bytes:
    obligations = [[obligation.id, dict(obligation.parameters)] for obligation in decision.obligations]
    revision = decision.revision.number, decision.revision.time
    fields = [decision.allowed, decision.reason, decision.rule, decision.policy_digest, revision, obligations]
    return _WRITER.encode(fields).encode()


def _read(content: bytes) -> Decision:
    """Return the decision that was written; its seal was verified, so it is one."""
    allowed, reason, rule, digest, revision, obligations = json.loads(content)
    return Decision(allowed, reason, rule, digest, Revision(*revision), tuple(_obligations(obligations)))


def _obligations(written: list[list[object]]) -> Iterable[Obligation]:
    for id_, parameters in written:
        yield Obligation(id_, parameters)  # type: ignore[arg-type] # as they were written
