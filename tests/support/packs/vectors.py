"""The recorded Casbin calls of `../shared/conformance`, decoded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace

from sidegate.engine import EnforceContext
from sidegate.model.rules import Row
from support.paths import ROOT

FOLDER = ROOT.parent / "shared" / "conformance"


@dataclass(frozen=True)
class Vector:
    line: int
    model: str
    rows: list[Row]
    request: tuple[object, ...]
    role_match: Mapping[str, str]
    domain_match: Mapping[str, str]
    allowed: bool
    rule: tuple[str, ...] | None
    test: str


def vectors() -> Iterator[Vector]:
    with (FOLDER / "casbin-vectors.jsonl").open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            record = json.loads(line)
            if record["portable"]:
                yield _vector(number, record)


def function_calls() -> Iterator[tuple[str, list[str], object]]:
    with (FOLDER / "casbin-functions.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            yield _camel(record["fn"]), record["args"], record["result"]


def _vector(number: int, record: dict) -> Vector:
    config = record["config"]
    return Vector(
        line=number,
        model=record["model"],
        rows=[tuple(row) for row in record["policy"] + record["grouping"]],
        request=tuple(_value(value) for value in record["request"]),
        role_match={section: _camel(name) for section, name in config.get("match", {}).items()},
        domain_match={section: _camel(name) for section, name in config.get("domain_match", {}).items()},
        allowed=record["result"],
        rule=tuple(record["explain"]) or None,
        test=record["test"],
    )


def _value(value: object) -> object:
    if not isinstance(value, dict):
        return value
    if "$ctx" in value:
        return EnforceContext(*value["$ctx"])
    if "$obj" in value:
        return SimpleNamespace(**value["attrs"])
    return value["$dict"]


def _camel(name: str) -> str:
    head, *rest = name.removesuffix("_func").split("_")
    return head + "".join(part.capitalize() for part in rest)
