"""`docs/limits.md` shows the limits that the code has."""

import re

import pytest

from sidegate.config.settings import GivenSettings
from sidegate.decision.cache import MAX_FLIGHTS
from sidegate.replica.snapshots import UNKNOWN_LIMIT, UNREGISTERED_LIMIT, WAITING_LOADS
from sidegate.server.admission.call_classes import CallClass
from sidegate.server.admission.message_sizes import MESSAGE_BYTES, SMALL, TOGETHER
from sidegate.server.wire.tokens.pages import MAX_PAGE
from sidegate.server.wire.validation import DEFAULT_LIMITS
from support.paths import ROOT

PAGE = (ROOT / "docs" / "limits.md").read_text()
SETTINGS = GivenSettings()


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("class_", CallClass)
def test_each_class_of_message_has_its_row(class_):
    """The table shows the limit of each class, with the setting that has this default."""
    ((_, size, setting),) = [row for row in rows() if row[0] == f"`{class_}`"]
    assert int(size) == MESSAGE_BYTES[class_]
    if setting:
        assert getattr(SETTINGS, setting.strip("`")) == MESSAGE_BYTES[class_]


def test_limits_of_requests_are_those_of_the_code():
    """Every number of the request table is a limit of the code, and every such limit is in the table."""
    section = PAGE[PAGE.index("## Requests") : PAGE.index("## Memory")]
    shown = [int(number) for number in re.findall(r"\| (\d+)[ ,]", section)]
    limits = DEFAULT_LIMITS
    assert shown == [
        limits.identifier_length,
        limits.word_length,
        limits.text_length,
        limits.depth,
        limits.keys,
        limits.items,
        limits.property_bytes,
        SETTINGS.batch_limit,
        MAX_PAGE,
    ]


def test_limits_of_memory_are_those_of_the_code():
    """Each row with a setting shows its default; the others show the constants of the code."""
    section = PAGE[PAGE.index("## Memory") :]
    for number, setting in re.findall(r"\| (\d+) \| `(\w+)` \|", section):
        assert int(number) == getattr(SETTINGS, setting), setting
    assert re.findall(r"\| (\d+)(?: each)? \| \|", section) == [
        str(MAX_FLIGHTS),
        str(UNKNOWN_LIMIT),
        str(WAITING_LOADS),
    ]
    assert UNKNOWN_LIMIT == UNREGISTERED_LIMIT
    assert (f"above {SMALL} bytes" in PAGE, f"{TOGETHER} bytes" in PAGE) == (True, True)
