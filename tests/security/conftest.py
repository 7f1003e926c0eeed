"""What the security tests share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for a file, in which examples of hypothesis use the same server."""
    with asyncio.Runner() as runner:
        yield runner
