"""The ZIP container of a spreadsheet, unpacked piece by piece and never beyond its bounds."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from time import monotonic
from typing import Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from sidegate.errors import InvalidInput
from sidegate.spreadsheets.limits import DEFAULT_BOUNDS, Bounds, mebibytes, refused, shown

_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_IN_DIRECTORY: Final = b"PK\x01\x02"
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_METHODS: Final = {ZIP_STORED, ZIP_DEFLATED}
"""The two that spreadsheets use; of the others, some take as much memory as the file asks for."""
_FLAG_ENCRYPTED: Final = 0x1
_PIECE: Final = 64 * 1024
_SMALL: Final = 1024 * 1024
"""Up to this size a part may shrink by any ratio: a few thousand similar rows do."""
_BROKEN = (BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)
"""What the library raises for broken bytes."""


def is_spreadsheet(raw: bytes) -> bool:
    """Return whether bytes begin as a spreadsheet does, one of Excel 97 or an encrypted one among them."""
    return raw.startswith((*_ZIP, _OLE))


class Archive:
    """The parts of a spreadsheet by name, ignoring case."""

    def __init__(self, raw: bytes, bounds: Bounds = DEFAULT_BOUNDS, *, clock: Callable[[], float] = monotonic) -> None:
        _require_container(raw, bounds)
        try:
            self._zip = ZipFile(BytesIO(raw))
        except _BROKEN as error:
            raise refused("is broken: expected a whole .xlsx file") from error
        self.bounds = bounds
        self._clock = clock
        self._until = clock() + bounds.seconds
        self._left = bounds.unpacked
        self._parts = self._inspected()

    def __repr__(self) -> str:
        return f"<Archive of {len(self._parts)} parts>"

    def __contains__(self, name: str) -> bool:
        return name.casefold() in self._parts

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield a part piece by piece.

        Raises:
            InvalidInput: it is not there, broken, larger than it says, or reading takes too long.
        """
        part = self._parts.get(name.casefold())
        if part is None:
            raise refused(f"has no part {shown(name)}: expected a whole .xlsx file")
        try:
            with self._zip.open(part) as file:
                while piece := file.read(_PIECE):
                    self._count(piece)
                    yield piece
        except _BROKEN as error:
            raise refused(f"is broken at {shown(name)}: expected a whole .xlsx file") from error

    def _inspected(self) -> dict[str, ZipInfo]:
        parts: dict[str, ZipInfo] = {}
        for part in self._zip.infolist():
            name = part.filename.casefold()
            if name in parts:
                raise refused(f"has the part {shown(part.filename)} twice: expected each once")
            _require_fair(part, self.bounds)
            parts[name] = part
        size = sum(part.file_size for part in parts.values())
        if size > self.bounds.unpacked:
            raise self._too_large(size)
        return parts

    def _count(self, piece: bytes) -> None:
        """Count the bytes actually unpacked; the sizes in the container are not trusted."""
        self._left -= len(piece)
        if self._left < 0:
            raise self._too_large(self.bounds.unpacked - self._left)
        if self._clock() > self._until:
            raise refused(f"takes more than {self.bounds.seconds:g} s to read: expected a plain table")

    def _too_large(self, size: int) -> InvalidInput:
        return refused(f"unpacks to {mebibytes(size)} or more: expected up to {mebibytes(self.bounds.unpacked)}")


def _require_container(raw: bytes, bounds: Bounds) -> None:
    """Check the bytes before anything is unpacked."""
    if len(raw) > bounds.packed:
        raise refused(f"has {mebibytes(len(raw))}: expected up to {mebibytes(bounds.packed)}")
    if raw.startswith(_OLE):
        if _ENCRYPTED in raw:
            raise refused("is encrypted: remove its password")
        raise refused("is of Excel 97 to 2003: save it as .xlsx")
    if not raw.startswith(_ZIP):
        raise refused("is no spreadsheet: expected an .xlsx file; a CSV goes into `csv`")
    if raw.count(_IN_DIRECTORY) > bounds.parts:
        raise refused(f"has more than {bounds.parts} parts: expected a plain .xlsx file")


def _require_fair(part: ZipInfo, bounds: Bounds) -> None:
    name = shown(part.filename)
    if part.flag_bits & _FLAG_ENCRYPTED:
        raise refused(f"is encrypted at {name}: remove its password")
    if part.compress_type not in _METHODS:
        raise refused(f"is packed in an unusual way at {name}: expected it as spreadsheets are saved")
    if part.file_size > max(_SMALL, bounds.ratio * part.compress_size):
        raise refused(f"unpacks to more than {bounds.ratio} times its size at {name}: expected a plain table")
