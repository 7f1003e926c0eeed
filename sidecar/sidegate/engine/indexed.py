"""The indexed engine: Casbin's decisions without its scan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sidegate.engine.casbin.model import read_definition
from sidegate.engine.casbin.rows import checked_rows
from sidegate.engine.index.compiled_model import CompiledModel
from sidegate.engine.index.program import IndexedProgram, build
from sidegate.engine.roles.role_graphs import RoleGraphs
from sidegate.model.rules import MatchFunction, Row
from sidegate.runtime.garbage_collection import garbage_collection_paused


class IndexedEngine:
    """Compiles matchers and rows to indexes and functions."""

    name = "indexed"

    def compile(
        self,
        model_text: str,
        rows: Iterable[Row],
        *,
        functions: Mapping[str, MatchFunction] | None = None,
        role_match: Mapping[str, str] | None = None,
        domain_match: Mapping[str, str] | None = None,
    ) -> IndexedProgram:
        """Compile a model with its rows.

        Raises:
            ModelError: the model is wrong.
            RowError: a row is wrong.
        """
        definition = read_definition(model_text)
        model = CompiledModel(definition, functions or {})
        graphs = RoleGraphs(definition.roles, role_match or {}, domain_match or {})
        given = list(rows)
        with garbage_collection_paused(len(given)):
            return build(model, graphs, checked_rows(definition, given))
