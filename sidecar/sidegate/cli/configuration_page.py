"""Writes docs/configuration.md from the settings: `python -m sidegate.cli.configuration_page`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sidegate.cli.serve import SECRET, shown_default
from sidegate.config.names import variable
from sidegate.config.settings import COMPONENTS, Settings

_INTRODUCTION = """\
# Configuration

Settings of `sidegate serve`. This page is generated from them.

A setting's value comes from its flag, else its environment variable, else the settings file, else its default. The
flag of `max_staleness` is `--max-staleness`, and so on; only {secrets} has none, since the list of processes shows
flags to everyone; for the same reason an address with a password in it belongs in the environment, the settings file,
or a file of its own (`database_file`, see [security.md](security.md)). The settings file is YAML, its keys are the
names below; `--config` or `SIDEGATE_CONFIG` names it:

```yaml
listen: [127.0.0.1:8282, unix:/run/sidegate/sidegate.sock]
database: sqlite:////var/lib/sidegate/sidegate.db
log_format: json
```

All faults are reported together, each with its source, and the server does not start. An unknown key in the file and
an unknown `SIDEGATE_` variable are faults, too; variables that Kubernetes sets for a service called `sidegate` are
not. An empty variable counts as unset. The client commands read `SIDEGATE_ADDRESS`,
`SIDEGATE_TENANT`, the key or token to show from `SIDEGATE_TOKEN` or the file that `SIDEGATE_TOKEN_FILE` names, and for
TLS `SIDEGATE_CLIENT_TLS_CA`, `SIDEGATE_CLIENT_TLS_CERTIFICATE` and `SIDEGATE_CLIENT_TLS_KEY`.
"""


def configuration() -> str:
    """Return the page."""
    secrets = ", ".join(f"`{name}`" for name in sorted(SECRET))
    return "\n".join((_INTRODUCTION.replace("{secrets}", secrets), *_sections()))


def _sections() -> Iterator[str]:
    for component in COMPONENTS:
        yield f"## {_title(component)}\n"
        yield "| name | environment variable | default | meaning | accepts |"
        yield "|---|---|---|---|---|"
        yield from (_row(name, Settings.model_fields[name]) for name in component.model_fields)
        yield ""


def _title(component: type[BaseModel]) -> str:
    return (component.__doc__ or "").splitlines()[0].rstrip(".")


def _row(name: str, field: FieldInfo) -> str:
    extra: Any = field.json_schema_extra
    default = shown_default(field)
    cells = (
        f"`{name}`",
        f"`{variable(name)}`",
        f"`{default}`" if default else "unset",
        field.description or "",
        extra["expected"],
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    click.echo(configuration(), nl=False)
