"""The packs that a server decides by: loaded, compiled, and handed out by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import sidegate
from sidegate.documents.suggestions import nearest
from sidegate.errors import Fault, PackError
from sidegate.policy.pack.compile import CompiledPack, compile_pack
from sidegate.policy.pack.load import SCHEMA, load_pack
from sidegate.policy.pack.schema import TENANT, Schema
from sidegate.ports.engine import Engine

Packs: TypeAlias = Mapping[str, CompiledPack]
"""Compiled packs by their names."""


class PackRegistry:
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
        return f"PackRegistry({', '.join(self.names())}; default {self.default})"

    def get(self, name: str) -> CompiledPack | None:
        """Return a pack by its name, the default one for "", None where there is none of that name."""
        return self._packs.get(name or self.default)

    def schema_of(self, name: str) -> Schema | None:
        """Return the schema of a pack by its name, as `get` finds it."""
        compiled = self.get(name)
        return compiled.pack.schema if compiled else None

    def is_current(self, compiled: CompiledPack) -> bool:
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


def bundled_packs() -> Path:
    """Return the directory of the packs that come along: inside the installed package, or in the source tree."""
    package = Path(sidegate.__file__).parent
    installed = package / "packs"
    return installed if installed.is_dir() else package.parent.parent / "policies"


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
