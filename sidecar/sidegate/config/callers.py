"""Who may call."""

from __future__ import annotations

from pydantic import BaseModel, FilePath

from sidegate.config.field import setting


class CallerSettings(BaseModel):
    """Who may call, and what each caller may do."""

    callers: FilePath | None = setting(
        None,
        "The caller file: who may call, with which credentials, and what each caller may do (see security.md). It is "
        "loaded again on SIGHUP. Unset: every client that can connect may do everything.",
        expected="a YAML file that `sidegate callers lint` accepts",
    )
