"""The packs of a server, loaded and compiled, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import sidegate
from sidegate.documents.suggestions import nearest
from sidegate.errors import Fault, PackError
from sidegate.policy.pack.compile import CompiledPack, compile_pack
from sidegate.policy.pack.files import is_inside
from sidegate.policy.pack.load import SCHEMA, load_pack
from sidegate.policy.pack.schema import TENANT, Schema
from sidegate.ports.engine import Engine

Packs: TypeAlias = Mapping[str, CompiledPack]
"""Compiled packs by their names."""


class PackRegistry:
    """Finds the packs of a directory by name; one attribute holds them all, so that a swap is one assignment."""

    def __init__(self, engine: Engine, directory: Path, default: str) -> None:
        """Load and compile every pack of `directory`, which may be a pack itself.

        Raises:
            PackError: a pack is wrong, or the default one is missing; names every fault of all packs.
        """
        self.directory = directory
        self.default = default
        self._engine = engine
        self._packs = _load_all(engine, directory, default)

    def __repr__(self) -> str:
        return f"PackRegistry({', '.join(self.names())}; default {self.default})"

    def get(self, name: str) -> CompiledPack | None:
        """Return the pack of a name, the default one for "", None where no pack has that name."""
        return self._packs.get(name or self.default)

    def schema_of(self, name: str) -> Schema | None:
        """Return the schema of the pack that `get` finds."""
        compiled = self.get(name)
        return compiled.pack.schema if compiled else None

    def is_current(self, compiled: CompiledPack) -> bool:
        """Return whether this pack, and no other version of it, is the one that its name finds now."""
        return self._packs.get(compiled.pack.schema.name) is compiled

    def current(self) -> Packs:
        """Return the current packs by name."""
        return self._packs

    def names(self) -> Sequence[str]:
        """Return the names of all packs, sorted."""
        return tuple(self._packs)

    def load(self) -> Packs:
        """Load the directory again and return its packs, the current object for each unchanged one; swap nothing.

        Raises:
            PackError: a pack is wrong, or the default one is missing; names every fault of all packs.
        """
        loaded = _load_all(self._engine, self.directory, self.default)
        return MappingProxyType({name: self._same(name, compiled) for name, compiled in loaded.items()})

    def swap(self, packs: Packs) -> Sequence[str]:
        """Make packs that `load` returned the current ones; return the names of those added, changed or removed."""
        before, self._packs = self._packs, packs
        return tuple(name for name in sorted({*before, *packs}) if before.get(name) is not packs.get(name))

    def _same(self, name: str, compiled: CompiledPack) -> CompiledPack:
        known = self._packs.get(name)
        return known if known is not None and known.pack.digest == compiled.pack.digest else compiled

    @property
    def core_scopes(self) -> frozenset[str]:
        """The scope types whose grants are always in memory, of all packs."""
        packs = self._packs.values()
        return frozenset({TENANT}).union(*(compiled.pack.schema.core_scopes for compiled in packs))


def bundled_packs() -> Path:
    """Return the directory of the bundled packs: inside the installed package, or in the source tree."""
    package = Path(sidegate.__file__).parent
    installed = package / "packs"
    return installed if installed.is_dir() else package.parent.parent / "policies"


def outside(path: Path) -> Fault:
    """Return the fault of a pack that a symbolic link leads out to."""
    return Fault(str(path), 0, "", f"a symbolic link that leads out of {path.parent}; copy the pack there")


def _load_all(engine: Engine, directory: Path, default: str) -> Packs:
    """Return the packs by name, sorted."""
    faults: list[Fault] = []
    found: dict[str, CompiledPack] = {}
    for subdirectory in _pack_directories(directory, faults):
        try:
            compiled = compile_pack(load_pack(subdirectory), engine)
        except PackError as error:
            faults.extend(error.faults)
            continue
        name = compiled.pack.schema.name
        if name in found:
            message = f"`{name}` is already the name of the pack in {found[name].pack.directory}"
            faults.append(Fault(str(subdirectory / SCHEMA), 0, "name", message))
        found.setdefault(name, compiled)
    if not faults and default not in found:
        faults.append(
            Fault(str(directory), 0, "", f"no pack is named `{default}`, the default: {nearest(default, found)}")
        )
    if faults:
        raise PackError(*faults)
    return MappingProxyType(dict(sorted(found.items())))


def _pack_directories(directory: Path, faults: list[Fault]) -> Iterator[Path]:
    """Yield the directories of packs, sorted, without those whose names start with `.` or `_`."""
    if (directory / SCHEMA).is_file():
        yield directory
        return
    try:
        inside = sorted(path for path in directory.iterdir() if path.is_dir() and path.name[0] not in "._")
    except OSError as error:
        faults.append(Fault(str(directory), 0, "", f"can't be read ({error.strerror}); expected a directory of packs"))
        return
    if not inside:
        faults.append(Fault(str(directory), 0, "", "there is no pack; expected a directory for each"))
    for path in inside:
        if is_inside(directory, path):
            yield path
        else:
            faults.append(outside(path))
