"""Opening a store: what is refused before the server starts, each in one clear sentence."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from sidegate.errors import StartError
from sidegate_adapters.sql import open_store
from sidegate_adapters.sql.opening import store_files
from sidegate_adapters.sql.schema import VERSION_TABLE


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("facts.db", "must be a URL such as `sqlite:///facts.db`"),
        ("sqlite://:memory:@x:y/z", "must be a URL"),
        ("mysql://localhost/facts", "starts with `mysql`: it must be one of sqlite, postgresql"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("sqlite:////nowhere/at/all/facts.db", "the directory `/nowhere/at/all` of the database does not exist"),
        ("sqlite:////proc/facts.db", "the database `/proc/facts.db` can't be written"),
        ("sqlite:////usr", "the database `/usr` is a directory"),
    ],
)
async def test_an_address_that_can_not_be_used_is_refused(address: str, message: str) -> None:
    """Each unusable address is a StartError that says in one line what would be right."""
    with pytest.raises(StartError) as refusal:
        await open_store(address)

    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


async def test_a_password_is_never_shown() -> None:
    """An address with a password in it is refused without the password in the message."""
    for address in ("mysql://me:secret@db/facts", "postgresql://me:secret@db:notaport/facts"):
        with pytest.raises(StartError) as refusal:
            await open_store(address)
        assert "secret" not in str(refusal.value)


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """A file of something else is refused by name, and stays as it was."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all\n" * 100)

    with pytest.raises(StartError, match=r"the file `.*notes.txt` is not a database"):
        await open_store(f"sqlite:///{path}")

    assert path.read_text() == "not a database at all\n" * 100


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """A database that a newer version migrated is refused, with the schema's name."""
    path = tmp_path / "facts.db"
    await (await open_store(f"sqlite:///{path}")).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    connection.close()

    with pytest.raises(StartError, match="has the schema `9999`, newer than this version knows"):
        await open_store(f"sqlite:///{path}")


async def test_the_database_of_another_application_is_refused(tmp_path: Path) -> None:
    """A database with tables of the same names that are not ours is refused, and nothing is added to it."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE members (id INTEGER PRIMARY KEY)")

    with pytest.raises(StartError, match="holds tables of something else, such as `members`"):
        await open_store(f"sqlite:///{path}")

    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("members",)]
    connection.close()


async def test_a_relative_path_is_under_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes name a file relative to where the server was started."""
    monkeypatch.chdir(tmp_path)

    store = await open_store("sqlite:///facts.db")
    await store.close()

    assert (tmp_path / "facts.db").exists()
    assert repr(store) == "SqlFactsStore('sqlite:///facts.db')"


async def test_a_new_database_is_its_owners_alone(tmp_path: Path) -> None:
    """The file and those that SQLite writes beside it can be read by nobody else, whatever the umask is."""
    before = os.umask(0)
    try:
        store = await open_store(f"sqlite:///{tmp_path}/facts.db")
        files = store_files(f"sqlite:///{tmp_path}/facts.db")
        assert {path.name for path in files} >= {"facts.db", "facts.db-wal"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        await store.close()
    finally:
        os.umask(before)


async def test_the_mode_of_a_database_that_exists_is_left_alone(tmp_path: Path) -> None:
    """An administrator may want a group to read it, for a backup."""
    path = tmp_path / "facts.db"
    await (await open_store(f"sqlite:///{path}")).close()
    path.chmod(0o640)
    await (await open_store(f"sqlite:///{path}")).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert store_files("postgresql://db.example/facts") == ()
