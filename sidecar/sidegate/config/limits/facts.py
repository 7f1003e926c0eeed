"""How large a facts document may be."""

from __future__ import annotations

from pydantic import BaseModel

from sidegate.config.field import setting


class FactsSettings(BaseModel):
    """How large a facts document may be."""

    max_facts_bytes: int = setting(
        256 * 1024 * 1024,
        "The most bytes of one facts document, in one message of ApplyFacts or in the chunks of ImportFacts.",
        expected="a whole number from 1024 to 17179869184",
        ge=1024,
        le=16 * 1024**3,
    )
    max_facts_values: int = setting(
        1_000_000,
        "The most values of one facts document: mappings, lists and what is in them. The process that reads it takes "
        "about 500 MB of memory for a million.",
        expected="a whole number from 1000 to 100000000",
        ge=1_000,
        le=100_000_000,
    )
