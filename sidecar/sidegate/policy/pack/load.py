"""From a pack's directory to a Pack."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from sidegate.documents.yaml import Document, parse_document
from sidegate.engine import NumberedRow, read_rows
from sidegate.errors import Fault, FaultyFiles, PackError
from sidegate.model.identifiers import invisible_character
from sidegate.policy.pack.files import read_inside
from sidegate.policy.pack.model_file import matcher_faults, model_faults
from sidegate.policy.pack.policy_file import form_faults, schema_faults, unused_rules
from sidegate.policy.pack.schema import Pack, Schema
from sidegate.policy.pack.schema_file import read_schema

SCHEMA: Final = "pack.yaml"
MODEL: Final = "model.conf"
POLICY: Final = "policy.csv"
FILES: Final = (SCHEMA, MODEL, POLICY)
_C0: Final = re.compile(r"[\x00-\x1f]")
"""Control characters that are blank space here, or that the readers of the files refuse."""
_BYTE_ORDER_MARK: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""What the readers of the files refuse at the start, with a message of its own."""


def load_pack(directory: Path) -> Pack:
    """Load a pack.

    Raises:
        PackError: the pack is wrong; names every fault of its three files.
    """
    reading = _Reading(str(directory))
    contents = {name: reading.content(name) for name in FILES}
    texts = {name: reading.text(name, content) for name, content in contents.items()}
    document, schema = reading.schema(texts[SCHEMA])
    model = texts[MODEL]
    if model is not None:
        found = model_faults(model, reading.path(MODEL))
        if schema and not found:
            found = (*matcher_faults(model, reading.path(MODEL), custom=schema.custom_matcher),)
        reading.faults.extend(found)
    rows = reading.rows(texts[POLICY], schema)
    if document and schema and rows:
        for id_ in unused_rules(rows, schema):
            message = "no row of policy.csv enforces this rule; say in `enforced_by` what does, or write the row"
            reading.faults.append(document.fault(("rules", id_), message))
    if reading.faults or schema is None or model is None or rows is None:
        raise PackError(*sorted(reading.faults, key=lambda fault: (_order(fault.file), fault.line)))
    return Pack(
        schema=schema,
        model_text=model,
        rows=tuple(numbered.row for numbered in rows),
        digest=digest({name: content or b"" for name, content in contents.items()}),
        directory=str(directory),
        lines=tuple(numbered.line for numbered in rows),
    )


def digest(contents: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of a pack's files, as hex: each name and content after its length in 8 bytes."""
    hashed = hashlib.sha256()
    for name in FILES:
        for part in (name.encode(), contents[name]):
            hashed.update(len(part).to_bytes(8, "big"))
            hashed.update(part)
    return hashed.hexdigest()


def _order(file: str) -> int:
    return FILES.index(Path(file).name)


def _invisible(text: str, file: str) -> Iterator[Fault]:
    """Yield a fault for each line that is not what an editor shows, as its text has an invisible character."""
    for number, line in enumerate(text.removeprefix(_BYTE_ORDER_MARK).split("\n"), start=1):
        if found := invisible_character(_C0.sub("", line)):
            yield Fault(file, number, "", f"expected no {found}, which is invisible or changes other text")


class _Reading:
    """Reads the files of one pack, and collects all faults instead of stopping at the first one."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.faults: list[Fault] = []

    def path(self, name: str) -> str:
        return str(Path(self.directory) / name)

    def content(self, name: str) -> bytes | None:
        try:
            return read_inside(Path(self.directory), Path(self.path(name)))
        except OSError as error:
            message = f"can't be read ({error.strerror}); a pack has {', '.join(FILES)}, each a regular file in it"
            self.faults.append(Fault(self.path(name), 0, "", message))
            return None

    def text(self, name: str, content: bytes | None) -> str | None:
        if content is None:
            return None
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            self.faults.append(Fault(self.path(name), line, "", "not UTF-8; save the file as UTF-8"))
            return None
        if name != SCHEMA:  # its identifiers are ASCII by its schema, and its sentences are for people
            self.faults.extend(_invisible(text, self.path(name)))
        return text

    def schema(self, text: str | None) -> tuple[Document | None, Schema | None]:
        if text is None:
            return None, None
        try:
            document = parse_document(text, self.path(SCHEMA))
        except FaultyFiles as error:
            self.faults.extend(error.faults)
            return None, None
        schema, faults = read_schema(document)
        self.faults.extend(faults)
        return document, schema

    def rows(self, text: str | None, schema: Schema | None) -> list[NumberedRow] | None:
        """Return the rows, None where the file could not be read or split."""
        if text is None:
            return None
        file = self.path(POLICY)
        try:
            rows = read_rows(text, file)
        except PackError as error:
            self.faults.extend(error.faults)
            return None
        self.faults.extend(form_faults(rows, file))
        if schema:
            self.faults.extend(schema_faults(rows, schema, file))
        return rows
