"""The tokens of deletions in two calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sidegate.authz.v1 import tenant_pb2 as pb
from sidegate.errors import InvalidInput
from sidegate.server.wire.tokens.confirmations import Confirmations
from sidegate.server.wire.tokens.seals import Seals

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def asked(token: str, name: str = "tenants/acme") -> pb.DeleteTenantRequest:
    return pb.DeleteTenantRequest(name=name, confirmation_token=token)


def test_a_token_confirms_within_ten_minutes_what_it_was_made_for() -> None:
    """Of the same name and in time a token gives the etag; without one there is none; else it is refused."""
    now = NOW
    confirmations = Confirmations(Seals(b"k" * 32), clock=lambda: now)
    token = confirmations.token("tenants/acme", "e1")

    assert confirmations.etag(asked("")) == ""
    now = NOW + timedelta(minutes=10, microseconds=-1)
    assert confirmations.etag(asked(token)) == "e1"
    for wrong in (asked(token, "tenants/globex"), asked(token[:-2]), asked(Seals(b"x" * 32).seal("deletion", "a"))):
        with pytest.raises(InvalidInput) as refused:
            confirmations.etag(wrong)
        assert [violation.field for violation in refused.value.violations] == ["confirmation_token"]
    now = NOW + timedelta(minutes=10)
    with pytest.raises(InvalidInput, match="too old"):
        confirmations.etag(asked(token))
