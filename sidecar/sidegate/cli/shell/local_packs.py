"""The policy packs on this machine: those that come with Sidegate, and those that SIDEGATE_POLICIES names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from sidegate.errors import PackError
from sidegate.policy.pack.files import is_inside
from sidegate.policy.pack.load import SCHEMA, load_pack
from sidegate.policy.pack.registry import bundled_packs
from sidegate.policy.pack.schema import Pack


def packs_in(directory: Path) -> Sequence[Path]:
    """Return the directories of packs: `directory` itself where it is one, else those in it, sorted.

    Those that a symbolic link leads out to are left out.
    """
    if (directory / SCHEMA).is_file():
        return (directory,)
    return sorted(pack for pack in _named_in(directory) if is_inside(directory, pack))


def packs_outside(directory: Path) -> Sequence[Path]:
    """Return the directories of packs that symbolic links lead out to, sorted."""
    if (directory / SCHEMA).is_file():
        return ()
    return sorted(pack for pack in _named_in(directory) if not is_inside(directory, pack))


def bundled_names() -> Sequence[str]:
    """Return the names of the packs that come with Sidegate."""
    return [path.name for path in packs_in(bundled_packs())]


def local_names() -> Sequence[str]:
    """Return the names of all packs on this machine, each once."""
    return [*dict.fromkeys(path.name for path in _local_packs())]


def pack_with_digest(digest: str) -> Pack | None:
    """Return the pack on this machine that has a digest, None where there is none."""
    for path in _local_packs():
        with suppress(PackError):  # a pack that does not load is not the one that a server decides by
            pack = load_pack(path)
            if pack.digest == digest:
                return pack
    return None


def _named_in(directory: Path) -> Iterator[Path]:
    return (schema.parent for schema in directory.glob(f"*/{SCHEMA}"))


def _local_packs() -> Iterator[Path]:
    if policies := os.environ.get("SIDEGATE_POLICIES"):
        yield from packs_in(Path(policies))
    yield from packs_in(bundled_packs())
