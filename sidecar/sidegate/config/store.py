"""Where the facts are stored."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Secret, SecretStr

from sidegate.config.field import setting
from sidegate.model.store_address import is_database, redacted


class ServerAddress(Secret[str]):
    """The address of a database or of Redis, which may hold a password: shown without it."""

    def _display(self) -> str:
        return redacted(self.get_secret_value())


def _database(address: ServerAddress) -> ServerAddress:
    if not is_database(address.get_secret_value()):
        raise ValueError("a database URL")
    return address


class StoreSettings(BaseModel):
    """Where the facts are kept."""

    database: Annotated[ServerAddress, AfterValidator(_database)] = setting(
        "sqlite:///sidegate.db",
        "The database of the membership store: an SQLite file, made where there is none, or a PostgreSQL one.",
        expected="`sqlite:///file.db`, with a fourth slash for an absolute path, or "
        "`postgresql://user:password@host/database`, the password with %-escapes",
    )
    token_key: SecretStr | None = setting(
        None,
        "The secret that signs revision tokens; sidecars on one database share it. Unset: made once and kept in the "
        "database.",
        expected="at least 16 characters",
        min_length=16,
    )
