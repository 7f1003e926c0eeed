"""Admission: which calls run now, which wait for their turn, and which are refused."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, TypeAlias

from sidegate.runtime.shares import begin_share, share_of
from sidegate.server.access.requirements import PACKAGE, REQUIREMENTS
from sidegate.server.admission.call_classes import CLASSES, CallClass
from sidegate.server.admission.lane import Lane, Limits
from sidegate.server.calls.current_caller import current_caller
from sidegate.server.calls.deadlines import time_left
from sidegate.telemetry.admission import UNOBSERVED, AdmissionObserver

Unary: TypeAlias = Callable[[Any], Awaitable[Any]]
Streamed: TypeAlias = Callable[[Any], AsyncGenerator[Any, None]]


class Admission:
    """Admits calls by their class, so that work never exceeds what the sidecar can do in time.

    Slots and turns are shared fairly by caller and tenant. A call waits at most half of the time that its client waits,
    or `patience` seconds where the client set no deadline; the other half is for the call itself. Watches are not
    admitted here: they wait for changes, cost little meanwhile, and have a limit of their own.
    """

    def __init__(
        self, limits: Mapping[CallClass, Limits], *, patience: float, observer: AdmissionObserver = UNOBSERVED
    ) -> None:
        self._lanes = {each: Lane(each, limit, observer=observer) for each, limit in limits.items()}
        self._patience = patience
        observer.show_lanes({name.value: lane for name, lane in self._lanes.items()})

    def __repr__(self) -> str:
        return f"Admission({', '.join(map(repr, self._lanes.values()))})"

    def admitted(self, method: str, call: Unary) -> Unary:
        """Return a unary call of a method, such as `AuthorizationService/Check`, that is admitted before it runs."""
        lane, tenants_of = self._lanes[CLASSES[method]], REQUIREMENTS[f"{PACKAGE}.{method}"].tenants

        async def admitted(message: Any) -> Any:
            # A batch of several tenants counts as its first one's.
            tenants = tenants_of(message)
            share = share_of(current_caller().name, tenants[0] if tenants else "")
            begin_share(share)
            if not lane.try_enter(share):
                await lane.wait(share, self._longest_wait())
            try:
                return await call(message)
            finally:
                lane.leave(share)

        return admitted

    def admitted_stream(self, method: str, call: Streamed) -> Streamed:
        """Return a call of a method whose client streams, such as `FactsService/ImportFacts`, admitted as one call.

        Its tenants are in what the client sends, so its share is its caller's.
        """
        lane = self._lanes[CLASSES[method]]

        async def admitted(messages: Any) -> AsyncGenerator[Any, None]:
            share = share_of(current_caller().name, "")
            begin_share(share)
            if not lane.try_enter(share):
                await lane.wait(share, self._longest_wait())
            try:
                async with aclosing(call(messages)) as responses:
                    async for response in responses:
                        yield response
            finally:
                lane.leave(share)

        return admitted

    def _longest_wait(self) -> float:
        left = time_left()
        return self._patience if left is None else left / 2
