"""From a loaded pack to its program, and what the path of a Check looks up in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from unicodedata import normalize

from sidegate.engine.language.signatures import OF_THE_CLOCK
from sidegate.errors import EngineError, Fault, ModelError, PackError, RowError
from sidegate.model.decision import Obligation, Reason
from sidegate.policy.pack.claims import DeclaredClaims
from sidegate.policy.pack.load import MODEL, POLICY
from sidegate.policy.pack.schema import EnforcedBy, Pack, Schema
from sidegate.policy.pack.scope_function import DOMAIN_MATCH, FUNCTIONS
from sidegate.ports.engine import Engine, Program


@dataclass(frozen=True, slots=True)
class CompiledPack:
    """A pack with its program, and what the path of a Check looks up in it.

    `actions` maps resource types to their actions, `denials` rule IDs to the reason and obligations of a denial, and
    `membership_rules` the reasons that are decided before any row to rule IDs. `repeatable` means that the same
    question about the same facts has the same answer at any time; `claims` are those that rules can read.
    """

    pack: Pack
    program: Program
    actions: Mapping[str, frozenset[str]]
    denials: Mapping[str, tuple[str, tuple[Obligation, ...]]]
    membership_rules: Mapping[str, str]
    repeatable: bool
    claims: DeclaredClaims


def compile_pack(pack: Pack, engine: Engine) -> CompiledPack:
    """Compile a loaded pack.

    Raises:
        PackError: the engine refuses its model or a row.
    """
    try:
        program = engine.compile(pack.model_text, pack.rows, functions=FUNCTIONS, domain_match=DOMAIN_MATCH)
    except EngineError as error:
        raise PackError(_located(error, pack)) from error
    schema = pack.schema
    return CompiledPack(
        pack=pack,
        program=program,
        actions=MappingProxyType({name: frozenset(type_.actions) for name, type_ in schema.resources.items()}),
        denials=MappingProxyType(_denials(schema)),
        membership_rules=MappingProxyType(_membership_rules(schema)),
        repeatable=_repeatable(pack),
        claims=DeclaredClaims.of(schema),
    )


def _denials(schema: Schema) -> dict[str, tuple[str, tuple[Obligation, ...]]]:
    return {rule.id: (rule.reason or Reason.DENIED_BY_RULE.value, rule.obligations) for rule in schema.rules.values()}


def _membership_rules(schema: Schema) -> dict[str, str]:
    return {
        rule.reason: rule.id
        for rule in schema.rules.values()
        if rule.reason and EnforcedBy.MEMBERSHIP in rule.enforced_by
    }


def _repeatable(pack: Pack) -> bool:
    """Return whether the rules name no function that reads the clock, in any Unicode spelling.

    All other functions depend on the question and the facts alone, and tenants can't add calls.
    """
    texts = (pack.model_text, *(field for row in pack.rows for field in row))
    return not any(name in normalize("NFKC", text) for text in texts for name in OF_THE_CLOCK)


def _located(error: EngineError, pack: Pack) -> Fault:
    """Return what an engine refused, with file and line."""
    directory = Path(pack.directory)
    if isinstance(error, RowError):
        line = pack.lines[error.ordinal] if 0 <= error.ordinal < len(pack.lines) else 0
        return Fault(str(directory / POLICY), line, "", str(error))
    line = error.line if isinstance(error, ModelError) else 0
    return Fault(str(directory / MODEL), line, "", str(error))
