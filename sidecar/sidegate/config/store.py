"""Where the facts are stored."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, FilePath, Secret, SecretStr
from pydantic_settings import NoDecode

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


def _lines(value: object) -> object:
    """Return the lines of a text; a list passes as it is."""
    return [line for line in value.splitlines() if line] if isinstance(value, str) else value


TokenKeys: TypeAlias = Annotated[tuple[Annotated[SecretStr, Field(min_length=16)], ...], Field(min_length=1)]
"""Keys in the order of the setting: the first signs, all verify."""


class StoreSettings(BaseModel):
    """Where the facts are kept."""

    database: Annotated[ServerAddress, AfterValidator(_database)] = setting(
        "sqlite:///sidegate.db",
        "The database of the membership store: an SQLite file, made where there is none, or a PostgreSQL one.",
        expected="`sqlite:///file.db`, with a fourth slash for an absolute path, or "
        "`postgresql://user:password@host/database`, the password with %-escapes",
    )
    database_file: FilePath | None = setting(
        None,
        "A file that holds the address, instead of `database`. User and password in it may change without a restart.",
        expected="a file with an address as `database` has it",
    )
    database_password_file: FilePath | None = setting(
        None,
        "A file that holds the password alone, for an address without one. It may change without a restart.",
        expected="a file with a password, without %-escapes",
    )
    token_key: Annotated[TokenKeys | None, NoDecode, BeforeValidator(_lines)] = setting(
        None,
        "The secret that signs tokens of revisions, pages, invitations and snapshots; sidecars on one database share "
        "it. Of several, the first signs and all verify. Unset: made once and stored in the database.",
        expected="at least 16 characters; several as a list in the file, or as lines",
    )
    token_key_file: FilePath | None = setting(
        None, "A file that holds the keys, instead of `token_key`.", expected="a file with a key on each line"
    )
