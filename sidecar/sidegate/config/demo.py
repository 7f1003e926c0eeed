"""What helps to try the server."""

from __future__ import annotations

from pydantic import BaseModel

from sidegate.config.field import setting


class DemoSettings(BaseModel):
    """What helps to try the server."""

    demo: bool = setting(
        False, "Write a tenant `demo` into the store and print a line to paste.", expected="true or false"
    )
