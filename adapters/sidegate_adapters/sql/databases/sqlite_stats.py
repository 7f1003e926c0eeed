"""Statistics for SQLite's planner, so that it plans every statement for a large tenant.

Without statistics it assumes ten rows for any tenant, and reads all of them instead of an index. With real ones, from
ANALYZE, it would plan for the average tenant, and be slow for the largest. An index that is not needed costs little.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

_ROWS = 100_000_000
_OF_TENANT = 100_000
_KNOWN = "SELECT tbl, idx, stat FROM sqlite_stat1"


def store_sizes(connection: Connection) -> None:
    """Store the sizes in the database for every connection, in the transaction of this one."""
    # SQLite creates its table of statistics only by an ANALYZE.
    connection.exec_driver_sql("ANALYZE feed")
    wanted = [*_sizes(connection)]
    if sorted(map(tuple, connection.exec_driver_sql(_KNOWN))) != sorted(wanted):
        connection.exec_driver_sql("DELETE FROM sqlite_stat1")
        connection.exec_driver_sql("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", wanted)
    connection.exec_driver_sql("ANALYZE sqlite_schema")


def _sizes(connection: Connection) -> Iterator[tuple[str, str, str]]:
    """Yield table, index, and how many rows there are and share each start of the index: fewer with every column."""
    tables = connection.exec_driver_sql("PRAGMA table_list").mappings()
    for table in [row for row in tables if row["type"] == "table" and not row["name"].startswith("sqlite_")]:
        name = table["name"]
        for index in connection.exec_driver_sql(f"PRAGMA index_list('{name}')").mappings().all():
            columns = connection.exec_driver_sql(f"PRAGMA index_xinfo('{index['name']}')").mappings()
            last = sum(column["key"] for column in columns) - 1
            sharing = (round(_OF_TENANT ** ((last - n) / last)) if last else 1 for n in range(last + 1))
            # The primary key of a table without row IDs is listed under the table's name.
            known_as = name if table["wr"] and index["origin"] == "pk" else index["name"]
            yield name, known_as, " ".join(map(str, (_ROWS, *sharing)))
