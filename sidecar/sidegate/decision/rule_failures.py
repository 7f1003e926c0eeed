"""Rules that fail on what a request holds: named to the caller, and logged with a bound."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

from sidegate.errors import EvaluationError, RuleFailed
from sidegate.replica.patches import TenantSnapshot
from sidegate.runtime.lru import BoundedMap
from sidegate.telemetry.logging import get_log

SECONDS: Final = 600.0
"""How long a rule that was logged for a tenant is not logged again."""
LIMIT: Final = 10_000
"""Rules, over all tenants, of which is known when they were logged."""
_LOG = get_log("decision")
_FIELDS: Final = ("subject.properties", "tenant.settings", "resource.properties", "action", "context")
"""What a caller calls the values of an evaluation, in the order of the request definition."""


class RuleFailureLog:
    """Logs rules that fail, each for one tenant at most once in `seconds`, and never a value that a request holds."""

    def __init__(self, *, seconds: float = SECONDS, limit: int = LIMIT, clock: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._logged: BoundedMap[tuple[str, str, str], float] = BoundedMap(limit)

    def __repr__(self) -> str:
        return f"RuleFailureLog({self._logged!r})"

    def failed(self, error: RuleFailed) -> None:
        """Log that a rule failed, unless that was logged lately."""
        key, now = (error.tenant, error.pack, error.rule), self._clock()
        last = self._logged.get(key)
        if last is None or now - last >= self._seconds:
            self._logged.put(key, now)
            details = {"tenant": error.tenant, "pack": error.pack, "rule": error.rule, "properties": [*error.names]}
            _LOG.warning("rule evaluation failed", **details)


def rule_failed(error: EvaluationError, snapshot: TenantSnapshot) -> RuleFailed:
    """Return an error of the engine with the names that a caller knows."""
    return RuleFailed(
        str(error),
        tenant=snapshot.tenant,
        pack=snapshot.pack.pack.schema.name,
        rule=error.row[-1] if error.row else "",
        names=tuple(f"{_FIELDS[position]}.{name}" for position, name in error.properties),
    )
