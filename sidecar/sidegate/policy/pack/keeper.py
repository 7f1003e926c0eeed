"""The packs that a server decides by: loaded, compiled, and handed out by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias
from unicodedata import normalize

import sidegate
from sidegate.documents.suggestions import nearest
from sidegate.engine.language.signatures import OF_THE_CLOCK
from sidegate.errors import EngineError, Fault, ModelError, PackError, RowError
from sidegate.model.decision import Obligation, Reason
from sidegate.policy.pack.load import MODEL, POLICY, SCHEMA, load_pack
from sidegate.policy.pack.schema import TENANT, EnforcedBy, Pack, Schema
from sidegate.policy.pack.scope_function import DOMAIN_MATCH, FUNCTIONS
from sidegate.ports.engine import Engine, Program


@dataclass(frozen=True, slots=True)
class CompiledPack:
    """A pack with its program, and what the way of a Check looks up in it.

    `actions` maps each resource type to its actions, `denials` each rule's ID to the reason and obligations
    of its denials, `membership_rules` each reason that is decided before any row to the rule's ID.
    `repeatable` says that the same question of the same facts is answered alike at any time.
    """

    pack: Pack
    program: Program
    actions: Mapping[str, frozenset[str]]
    denials: Mapping[str, tuple[str, tuple[Obligation, ...]]]
    membership_rules: Mapping[str, str]
    repeatable: bool


Packs: TypeAlias = Mapping[str, CompiledPack]
"""Compiled packs by their names."""


class PackKeeper:
    """Hands out the packs of a directory; all of them hang on one reference, so that a swap is one assignment."""

    def __init__(self, engine: Engine, directory: Path, default: str) -> None:
        """Load and compile every pack of `directory`, or the one pack that it is.

        Raises:
            PackError: a pack is wrong, or the default one is not there; names every fault at once.
        """
        self.directory = directory
        self.default = default
        self._engine = engine
        self._packs = _load_all(engine, directory, default)

    def __repr__(self) -> str:
        return f"PackKeeper({', '.join(self.names())}; default {self.default})"

    def get(self, name: str) -> CompiledPack | None:
        """Return a pack by its name, the default one for "", None where there is none of that name."""
        return self._packs.get(name or self.default)

    def schema_of(self, name: str) -> Schema | None:
        """Return the schema of a pack by its name, as `get` finds it."""
        compiled = self.get(name)
        return compiled.pack.schema if compiled else None

    def in_force(self, compiled: CompiledPack) -> bool:
        """Return whether this very pack is the one that its name stands for now."""
        return self._packs.get(compiled.pack.schema.name) is compiled

    def names(self) -> Sequence[str]:
        """Return the names of all packs, sorted."""
        return tuple(self._packs)

    def load(self) -> Packs:
        """Return the packs as they are in the directory now, aside from those in force; what is unchanged is the same.

        Raises:
            PackError: a pack is wrong, or the default one is not there; names every fault at once.
        """
        loaded = _load_all(self._engine, self.directory, self.default)
        return MappingProxyType({name: self._same(name, compiled) for name, compiled in loaded.items()})

    def swap(self, packs: Packs) -> Sequence[str]:
        """Bring packs into force that `load` returned; return the names of those that are new, altered or gone."""
        before, self._packs = self._packs, packs
        return tuple(name for name in sorted({*before, *packs}) if before.get(name) is not packs.get(name))

    def _same(self, name: str, compiled: CompiledPack) -> CompiledPack:
        known = self._packs.get(name)
        return known if known is not None and known.pack.digest == compiled.pack.digest else compiled

    @property
    def core_scopes(self) -> frozenset[str]:
        """The scope types whose grants are always in memory, over all packs."""
        packs = self._packs.values()
        return frozenset({TENANT}).union(*(compiled.pack.schema.core_scopes for compiled in packs))


def compile_pack(pack: Pack, engine: Engine) -> CompiledPack:
    """Compile a loaded pack.

    Raises:
        PackError: the engine refuses its model or a row.
    """
    try:
        program = engine.compile(pack.model_text, pack.rows, functions=FUNCTIONS, domain_match=DOMAIN_MATCH)
    except EngineError as error:
        raise PackError(_placed(error, pack)) from error
    schema = pack.schema
    return CompiledPack(
        pack=pack,
        program=program,
        actions=MappingProxyType({name: frozenset(type_.actions) for name, type_ in schema.resources.items()}),
        denials=MappingProxyType(_denials(schema)),
        membership_rules=MappingProxyType(_membership_rules(schema)),
        repeatable=_repeatable(pack),
    )


def bundled_packs() -> Path:
    """Return the directory of the packs that come along: inside the installed package, or in the source tree."""
    package = Path(sidegate.__file__).parent
    installed = package / "packs"
    return installed if installed.is_dir() else package.parent.parent / "policies"


def _denials(schema: Schema) -> dict[str, tuple[str, tuple[Obligation, ...]]]:
    return {rule.id: (rule.reason or Reason.DENIED_BY_RULE.value, rule.obligations) for rule in schema.rules.values()}


def _membership_rules(schema: Schema) -> dict[str, str]:
    return {
        rule.reason: rule.id
        for rule in schema.rules.values()
        if rule.reason and EnforcedBy.MEMBERSHIP in rule.enforced_by
    }


def _repeatable(pack: Pack) -> bool:
    """Return whether no function that looks at the clock is named anywhere in the rules, in whatever letters.

    Nothing else that rules can call depends on more than the question and the facts, and no tenant can add a call.
    """
    texts = (pack.model_text, *(field for row in pack.rows for field in row))
    return not any(name in normalize("NFKC", text) for text in texts for name in OF_THE_CLOCK)


def _placed(error: EngineError, pack: Pack) -> Fault:
    """Return what an engine refused, with its file and line."""
    directory = Path(pack.directory)
    if isinstance(error, RowError):
        line = pack.lines[error.ordinal] if 0 <= error.ordinal < len(pack.lines) else 0
        return Fault(str(directory / POLICY), line, "", str(error))
    line = error.line if isinstance(error, ModelError) else 0
    return Fault(str(directory / MODEL), line, "", str(error))


def _load_all(engine: Engine, directory: Path, default: str) -> Packs:
    """Return the packs by name, sorted."""
    faults: list[Fault] = []
    found: dict[str, CompiledPack] = {}
    for place in _places(directory, faults):
        try:
            compiled = compile_pack(load_pack(place), engine)
        except PackError as error:
            faults.extend(error.faults)
            continue
        name = compiled.pack.schema.name
        if name in found:
            message = f"`{name}` is already the name of the pack in {found[name].pack.directory}"
            faults.append(Fault(str(place / SCHEMA), 0, "name", message))
        found.setdefault(name, compiled)
    if not faults and default not in found:
        faults.append(
            Fault(str(directory), 0, "", f"no pack is named `{default}`, the default: {nearest(default, found)}")
        )
    if faults:
        raise PackError(*faults)
    return MappingProxyType(dict(sorted(found.items())))


def _places(directory: Path, faults: list[Fault]) -> Iterator[Path]:
    """Yield the directories of packs, sorted; those whose names start with `.` or `_` are not."""
    if (directory / SCHEMA).is_file():
        yield directory
        return
    try:
        inside = sorted(place for place in directory.iterdir() if place.is_dir() and place.name[0] not in "._")
    except OSError as error:
        faults.append(Fault(str(directory), 0, "", f"can't be read ({error.strerror}); expected a directory of packs"))
        return
    if not inside:
        faults.append(Fault(str(directory), 0, "", "there is no pack; each stands in a directory of its own"))
    yield from inside
