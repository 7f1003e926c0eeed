"""The gate before every call: who calls, with which right, for which tenants and for whom."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Final

from sidegate.errors import (
    ActorNotAllowed,
    CallerLacksRight,
    CallerRefused,
    TenantNotAllowed,
    Unauthenticated,
)
from sidegate.model.callers.caller import TRUSTED, Caller, Right
from sidegate.model.callers.credentials import Credentials
from sidegate.ports.authenticator import Authenticator
from sidegate.server.access.refusals import RefusalLog
from sidegate.server.access.requirements import REQUIREMENTS
from sidegate.server.calls.current_caller import current_caller, set_current_caller
from sidegate.server.wire.validation import quoted

_MAX_TENANT: Final = 256
"""Characters of a tenant that an error names: the longest ID there can be."""


class TrustAll:
    """An `Authenticator` for a sidecar without configured callers: every client may do everything."""

    async def authenticate(self, credentials: Credentials) -> Caller:  # noqa: ARG002 - nobody is asked for any
        """Return the caller that is trusted."""
        return TRUSTED


class Gate:
    """Lets a call through only for a caller that may make it; knows nothing of transports and asks no store."""

    def __init__(self, authenticator: Authenticator, *, log: RefusalLog | None = None) -> None:
        self._authenticator = authenticator
        self._log = log or RefusalLog()
        self.needs_credentials = not isinstance(authenticator, TrustAll)
        """Whether any credentials matter; where they do not, a transport need not collect them."""

    async def identify(self, method: str, credentials: Credentials) -> Caller:
        """Return the caller of a method such as `sidegate.authz.v1.AuthorizationService/Check`, and make it current.

        Raises:
            Unauthenticated: the credentials are not valid.
            Unavailable: they can't be checked now.
        """
        try:
            caller = await self._authenticator.authenticate(credentials)
        except Unauthenticated as error:
            self._log.unauthenticated(error, method=method, peer=credentials.peer)
            raise
        set_current_caller(caller)
        _PASSED.set((self, method))
        return caller

    def require_right(self, caller: Caller, right: Right, what: str) -> None:
        """Check that a caller has a right for all tenants, for something that is no method, such as the metrics.

        Raises:
            CallerRefused: it has not.
        """
        try:
            _require_right(caller, right)
            require_tenants(caller, right, None)
        except CallerRefused as error:
            self._log.refused(error, method=what)
            raise

    def require(self, caller: Caller, method: str, message: Any) -> None:
        """Check that a caller may make this call.

        Raises:
            CallerRefused: it may not.
            InvalidInput: a name in the request is no name.
        """
        if caller is TRUSTED and method in REQUIREMENTS:
            return
        try:
            _require(caller, method, message)
        except CallerRefused as error:
            self._log.refused(error, method=method)
            raise

    def require_tenants(self, caller: Caller, method: str, right: Right, tenants: Sequence[str]) -> None:
        """Check tenants that are known only after a request was read, such as those of a facts document.

        Raises:
            TenantNotAllowed: the caller does not have the right for one of them.
        """
        try:
            require_tenants(caller, right, tenants)
        except CallerRefused as error:
            self._log.refused(error, method=method)
            raise


_PASSED: ContextVar[tuple[Gate, str]] = ContextVar("sidegate_gate")
"""The gate that the current call has passed, and its method."""


def require_tenants_later(right: Right, tenants: Sequence[str]) -> None:
    """Check, for the caller of the current call, tenants that are known only now.

    Raises:
        TenantNotAllowed: the caller does not have the right for one of them, or there is no caller.
    """
    passed = _PASSED.get(None)
    if passed is None:
        require_tenants(current_caller(), right, tenants)
    else:
        gate, method = passed
        gate.require_tenants(current_caller(), method, right, tenants)


def require_tenants(caller: Caller, right: Right, tenants: Sequence[str] | None) -> None:
    """Check that a caller has a right for tenants; None means all tenants.

    Raises:
        TenantNotAllowed: it does not have the right for one of them.
    """
    if tenants is None:
        if caller.has_for_all(right):
            return
        text = f"caller `{caller.name}` does not have the right `{right}` for all tenants, which this call is about"
        raise TenantNotAllowed(text, caller=caller.name, right=right)
    refused = caller.refused(right, tenants)
    if refused is not None:
        text = f"caller `{caller.name}` does not have the right `{right}` for the tenant {quoted(refused)}"
        raise TenantNotAllowed(text, caller=caller.name, right=right, tenant=refused[:_MAX_TENANT])


def _require_right(caller: Caller, right: Right) -> None:
    if not caller.has(right):
        text = f"caller `{caller.name}` does not have the right `{right}`"
        raise CallerLacksRight(text, caller=caller.name, right=right)


def _require(caller: Caller, method: str, message: Any) -> None:
    """Check everything that a method asks of its caller.

    Raises:
        CallerRefused: the caller may not make this call.
        InvalidInput: a name in the request is no name.
    """
    needed = REQUIREMENTS.get(method)
    if needed is None:
        raise CallerRefused(f"no right allows `{method}`", caller=caller.name)
    _require_right(caller, needed.right)
    require_tenants(caller, needed.right, needed.tenants(message))
    actors = needed.actors(message) if needed.actors else ()
    if actors and not any(map(caller.may_act_for, actors)):
        text = (
            f"caller `{caller.name}` may not act for {quoted(actors[0])}; a request without an actor is the platform's"
        )
        raise ActorNotAllowed(text, caller=caller.name, right=needed.right)
