"""Logs and metrics."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel

from sidegate.config.field import setting
from sidegate.config.network.listening import tcp_address


class TelemetrySettings(BaseModel):
    """Logs and metrics."""

    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "The least serious log entry that is written.", expected="`debug`, `info`, `warning` or `error`"
    )
    log_format: Literal["auto", "json", "text"] = setting(
        "auto",
        "How log entries are written; auto is text on a terminal and JSON elsewhere.",
        expected="`auto`, `json` or `text`",
    )
    metrics_address: Annotated[str, AfterValidator(tcp_address)] | None = setting(
        None, "The address that serves Prometheus metrics over HTTP. Unset: none.", expected="`host:port`"
    )
    allow_insecure_metrics: bool = setting(
        False,
        "Serve metrics where other machines can connect. They name no tenant and no member, but show what is called, "
        "how often and with which outcome, without TLS and authentication; each start logs a warning.",
        expected="`true` or `false`",
    )
