"""The packs in stock Casbin: model.conf and policy.csv load unchanged and decide as the packs' own tests say.

This test derives the rows of facts by its own code, to compare Sidegate's translation with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import casbin
import pytest
import yaml
from casbin.util import key_match_func

from support.paths import ROOT

PACKS = ROOT / "policies"
TEST_FILES = sorted(PACKS.glob("*/tests/*.yaml"))
DEFAULTS = {"string": "", "integer": 0, "number": 0.0, "boolean": False, "list": []}
EVERYWHERE = "*"

Document = Mapping[str, Any]


class Yaml12(yaml.SafeLoader):
    """Reads `on` as a word, where YAML 1.1 reads a truth value."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))


class StockTenant:
    """One tenant of a test file in an enforcer of its own."""

    def __init__(self, pack: Path, id_: str, facts: Document) -> None:
        self.schema = _read(pack / "pack.yaml")
        self.id = id_
        self.facts = facts
        self._enforcer = casbin.Enforcer(str(pack / "model.conf"), str(pack / "policy.csv"))
        self._enforcer.enable_auto_save(False)
        self._enforcer.add_function("scope", self._scope)
        self._enforcer.add_named_domain_matching_func("g", key_match_func)
        self._enforcer.add_named_grouping_policies("g", sorted(set(self._links())))
        for row in self._custom_roles():
            self._enforcer.add_named_policy("p", row)

    def decides(self, check: Document) -> bool:
        """Whether rows decide: tenant and member are active, and the pack knows type and action."""
        member = self.facts["members"].get(check["subject"])
        declared = self.schema["resources"].get(check["resource"].partition(":")[0], {})
        active = member is not None and member.get("status", "active") == "active" and not self.facts.get("suspended")
        return active and check["action"] in declared.get("actions", ())

    def answer(self, check: Document) -> dict[str, str]:
        """Casbin's answer, in the terms of a policy test file."""
        request = (self._subject(check), self._tenant(), self._resource(check), check["action"], self._context(check))
        allowed, row = self._enforcer.enforce_ex(*request)
        rule = row[-1] if row else ""
        reason = "allowed_by_rule" if allowed else self._deny_reason(rule)
        return {"expect": "allow" if allowed else "deny", "reason": reason, "decided_by": rule}

    def _deny_reason(self, rule: str) -> str:
        return self.schema["rules"][rule].get("reason", "denied_by_rule") if rule else "no_matching_rule"

    def _links(self) -> Iterator[tuple[str, str, str]]:
        for id_, member in self.facts["members"].items():
            yield from ((f"member:{id_}", role, f"tenant:{self.id}") for role in member.get("roles", ()))
        for id_, group in self.facts.get("groups", {}).items():
            yield from ((_holder(name), f"group:{id_}", EVERYWHERE) for name in group.get("members", ()))
        for reference, resource in self.facts.get("resources", {}).items():
            if "owner" in resource:
                yield f"member:{resource['owner']}", "owner", reference
        for grant in self.facts.get("grants", ()):
            scope = f"tenant:{self.id}" if grant["on"] == "tenant" else grant["on"]
            yield grant["to"], grant["role"], scope
        yield from self._links_without_grant()

    def _links_without_grant(self) -> Iterator[tuple[str, str, str]]:
        for name, role in self.schema["roles"].items():
            if role.get("held_by") == "group":
                yield from ((f"group:{id_}", name, f"group:{id_}") for id_ in self.facts.get("groups", {}))
            if role.get("held_by") == "member":
                yield from (
                    (f"member:{id_}", name, f"{on}:{id_}") for on in role["on"] for id_ in self.facts["members"]
                )

    def _custom_roles(self) -> Iterator[list[str]]:
        for name, role in self.facts.get("roles", {}).items():
            for type_, actions in role["permissions"].items():
                for action in actions:
                    rule = self.schema["custom_roles"]["rule"]
                    yield [name, "tenant", type_, action, "True", "allow", rule]

    def _scope(self, obj: SimpleNamespace, dom: SimpleNamespace, name: str) -> str:
        if name == "tenant":
            return dom.ref
        level = [obj.ref]
        while level:
            for reference in level:
                if reference.partition(":")[0] == name:
                    return reference
            resources = self.facts.get("resources", {})
            level = [parent for child in level for parent in resources.get(child, {}).get("parents", ())]
        return ""

    def _subject(self, check: Document) -> SimpleNamespace:
        id_ = check["subject"]
        stored = self.facts["members"][id_]
        known = {"status": "active", "name": "", "email": "", "mfa": False, "quota": 0} | stored
        known.pop("roles", None)
        return SimpleNamespace(ref=f"member:{id_}", type="member", id=id_, **known)

    def _tenant(self) -> SimpleNamespace:
        settings = _values(self.schema.get("settings", {}), stored=self.facts.get("settings", {}))
        return SimpleNamespace(ref=f"tenant:{self.id}", type="tenant", id=self.id, **settings)

    def _resource(self, check: Document) -> SimpleNamespace:
        reference = check["resource"]
        type_, _, id_ = reference.partition(":")
        stored = self.facts.get("resources", {}).get(reference, {}).get("properties", {})
        declared = self.schema["resources"][type_].get("properties", {})
        return SimpleNamespace(
            ref=reference, type=type_, id=id_, **_values(declared, stored=stored, claimed=check.get("properties", {}))
        )

    def _context(self, check: Document) -> SimpleNamespace:
        return SimpleNamespace(**_values(self.schema.get("context", {}), stored={}, claimed=check.get("context", {})))


def test_every_pack_has_tests() -> None:
    """No pack is left out of the comparison below."""
    assert {path.parent.parent for path in TEST_FILES} == {path.parent for path in PACKS.glob("*/pack.yaml")}


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: f"{path.parent.parent.name}/{path.stem}")
def test_stock_casbin_decides_as_the_pack_expects(path: Path) -> None:
    """Decision, reason and deciding rule of each check that rows decide are Casbin's; the others expect a deny."""
    tenants = _tenants(path)
    wrong = []
    decided = 0
    for check in _read(path)["checks"]:
        tenant = tenants(check["tenant"])
        if tenant is None or not tenant.decides(check):
            answer = {"expect": "deny"}
        else:
            decided += 1
            answer = tenant.answer(check)
        if any(check[key] != value for key, value in answer.items() if key in check):
            wrong.append((check, answer))
    assert not wrong, "\n".join(f"{check} -> {answer}" for check, answer in wrong)
    assert decided


def _tenants(path: Path) -> Callable[[str], StockTenant | None]:
    document = _read(path)
    facts = document["facts"] if isinstance(document["facts"], Mapping) else _read(path.parent / document["facts"])

    @cache
    def tenant(id_: str) -> StockTenant | None:
        known = facts["tenants"].get(id_)
        return None if known is None else StockTenant(path.parent.parent, id_, known)

    return tenant


@cache
def _read(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=Yaml12)


def _holder(name: str) -> str:
    return name if name.startswith(("member:", "group:")) else f"member:{name}"


def _values(declared: Document, *, stored: Document, claimed: Document | None = None) -> dict[str, Any]:
    """A stored property ignores the request's value; a missing one has its default."""
    sources = {"stored": stored, "request": claimed or {}}
    return {
        name: sources[property_.get("from", "stored")].get(name, property_.get("default", DEFAULTS[property_["type"]]))
        for name, property_ in declared.items()
    }
