"""Values that properties can have."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Properties: TypeAlias = Mapping[str, Json]

NO_PROPERTIES: Properties = MappingProxyType({})
