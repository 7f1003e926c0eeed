"""What a setting is called in the environment and on the command line."""

from __future__ import annotations

ENV_PREFIX = "SIDEGATE_"
CLIENT_VARIABLES = frozenset(
    {
        "SIDEGATE_ADDRESS",
        "SIDEGATE_TENANT",
        "SIDEGATE_TOKEN",
        "SIDEGATE_TOKEN_FILE",
        "SIDEGATE_CLIENT_TLS_CA",
        "SIDEGATE_CLIENT_TLS_CERTIFICATE",
        "SIDEGATE_CLIENT_TLS_KEY",
    }
)
"""What the client commands read from the same environment."""


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return ENV_PREFIX + name.upper()


def flag(name: str) -> str:
    """Return the command line flag of a setting."""
    return "--" + name.replace("_", "-")
