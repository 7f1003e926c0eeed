"""Casbin models and rows, compiled into programs that decide. Pure: memory only, no I/O."""

from sidegate.engine.casbin.context import EnforceContext
from sidegate.engine.casbin.csv import NumberedRow, read_rows
from sidegate.engine.engines import DEFAULT_ENGINE, ENGINES, compile_program, evaluate
from sidegate.engine.indexed import IndexedEngine
from sidegate.engine.language.entity import Entity, ancestors_of, properties_of

__all__ = [
    "DEFAULT_ENGINE",
    "ENGINES",
    "EnforceContext",
    "Entity",
    "IndexedEngine",
    "NumberedRow",
    "ancestors_of",
    "compile_program",
    "evaluate",
    "properties_of",
    "read_rows",
]
