"""How one setting is declared: its default, meaning and expected form."""

from __future__ import annotations

from typing import Any

from pydantic import Field


def setting(default: Any, meaning: str, *, expected: str, **limits: Any) -> Any:
    """Return the field of a setting; `limits` are those of pydantic's Field."""
    return Field(default, description=meaning, json_schema_extra={"expected": expected}, **limits)
