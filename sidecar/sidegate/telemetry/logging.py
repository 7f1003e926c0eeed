"""Structured logs on standard error, one line each; nothing else knows the library."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from enum import StrEnum
from typing import Any, Protocol, TextIO, cast

import structlog

from sidegate.model.identifiers import escaped

_ROOT = "sidegate"
_PLAIN = (str, int, float, bool, type(None))
_KEPT = frozenset({"exc_info", "_record", "_from_structlog"})


class LogFormat(StrEnum):
    """How a line looks: for machines, or for people."""

    JSON = "json"
    CONSOLE = "console"


class Log(Protocol):
    """What the rooms need of a logger; an event is a short fixed phrase, its details are keywords."""

    def debug(self, event: str, **details: object) -> Any:
        """Log what only a developer wants to know."""

    def info(self, event: str, **details: object) -> Any:
        """Log what an operator may want to know."""

    def warning(self, event: str, **details: object) -> Any:
        """Log what an operator should check."""

    def error(self, event: str, **details: object) -> Any:
        """Log what is broken; `exc_info` adds the traceback."""


def get_log(room: str) -> Log:
    """Return the logger of a room, such as `server`; unconfigured, only warnings and errors are written."""
    logger = logging.getLogger(f"{_ROOT}.{room}")
    processors = [structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter]
    return cast("Log", structlog.wrap_logger(logger, processors, structlog.stdlib.BoundLogger, room=room))


def configure_logging(style: LogFormat = LogFormat.JSON, level: str = "info", *, stream: TextIO | None = None) -> None:
    """Send all logs to standard error (or `stream`) in one style; libraries are heard from warnings up."""
    severity = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(style)],
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *_SHARED],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(severity, logging.WARNING), force=True)
    logging.getLogger(_ROOT).setLevel(severity)


def _rendering(style: LogFormat) -> list[structlog.typing.Processor]:
    if style is LogFormat.JSON:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # The default formatter prints local variables, and so what requests claim.
    return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]


def _without_structures(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Keep only plain values, so that no request, and no property value in one, gets into a log."""
    for key, value in event.items():
        if key in _KEPT or isinstance(value, _PLAIN):
            continue
        listed = isinstance(value, list | tuple) and all(isinstance(item, _PLAIN) for item in value)
        event[key] = list(value) if listed else f"<{type(value).__name__}>"
    return event


def _visible(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Write characters that are not printable as escapes: no value changes how a log is displayed."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = escaped(value)
        elif isinstance(value, list):
            event[key] = [escaped(item) if isinstance(item, str) else item for item in value]
    return event


_SHARED: tuple[structlog.typing.Processor, ...] = (
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.add_log_level,
    _without_structures,
    _visible,
)
