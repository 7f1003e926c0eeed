"""Who signs the tokens of callers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """An issuer: what its tokens must say, and where its public keys are.

    `name` is its name in the caller file, `issuer` and `audience` what the claims `iss` and `aud` must be. `jwks` is a
    URL or a file with its keys; None where the issuer's discovery document names it. `member_claim` and `tenant_claim`
    are the claims that name a member and a tenant; "" where none does.
    """

    name: str
    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    jwks: str | Path | None = None
    member_claim: str = ""
    tenant_claim: str = ""


def is_secure_url(url: str) -> bool:
    """Return whether what is read from a URL can't be replaced on its way: HTTPS, or HTTP from this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
