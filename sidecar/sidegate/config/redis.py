"""The Redis that sidecars share."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, FilePath

from sidegate.config.field import setting
from sidegate.config.store import ServerAddress
from sidegate.model.store_address import redis_address


def _redis(address: ServerAddress) -> ServerAddress:
    redis_address(address.get_secret_value())
    return address


class RedisSettings(BaseModel):
    """How to reach the Redis that sidecars share, where there is one."""

    redis: Annotated[ServerAddress, AfterValidator(_redis)] | None = setting(
        None,
        "The Redis, or Valkey, that the sidecars on one database share. Unset: none. Losing it costs time, never a "
        "right answer.",
        expected="`redis://user:password@host:6379/0`, `unix:///path?db=0`, `redis+sentinel://host,host/master/0` or "
        "`redis+cluster://host,host`; `rediss` instead of `redis` with TLS, the password with %-escapes",
    )
    redis_file: FilePath | None = setting(
        None,
        "A file that holds the address, instead of `redis`. User and password in it may change without a restart.",
        expected="a file with an address as `redis` has it",
    )
    redis_password_file: FilePath | None = setting(
        None,
        "A file that holds the password alone, for an address without one. It may change without a restart.",
        expected="a file with a password, without %-escapes",
    )
    redis_ca: FilePath | None = setting(
        None,
        "The certificates that Redis's own is verified with. Unset: those of the system.",
        expected="a PEM file",
    )
    redis_certificate: FilePath | None = setting(
        None, "The certificate that is shown to Redis; goes with redis_key.", expected="a PEM file"
    )
    redis_key: FilePath | None = setting(
        None, "The private key of redis_certificate.", expected="a PEM file, its key without a passphrase"
    )
    redis_prefix: str = setting(
        "sidegate",
        "What the names of keys and channels in Redis begin with, and what an ACL can be limited to.",
        expected="1 to 64 letters, digits and `.`, `_`, `-` or `:`",
        pattern=r"^[A-Za-z0-9._:-]{1,64}$",
    )
    redis_timeout: float = setting(
        0.005,
        "The most seconds of one request that are ever spent waiting for Redis.",
        expected="seconds, above 0, at most 1",
        gt=0,
        le=1,
    )
