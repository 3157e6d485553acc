"""Bringing a database to this release's schema: the version is read first, then whole versions are applied.

Each version is one transaction, so an interrupted start leaves the database at the version before or after.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from reflect_otel.errors import SchemaMismatch, StoreError
from reflect_otel.ports import Clock
from reflect_otel.store.session import Session
from reflect_otel.store.statements import load_migrations, load_tables

MIGRATIONS: Final[Mapping[int, Sequence[str]]] = {
    1: tuple(load_tables().values()),
    **{version: (script,) for version, script in load_migrations().items()},
}
"""SQL scripts that lead to each version from the one before; 0 is an empty database."""

NEWEST_VERSION: Final = max(MIGRATIONS)


def read_version(session: Session, catalog: str) -> int:
    """The database's schema version, 0 when it is empty.

    Raises:
        StoreError: it holds tables, but not ours.
    """
    tables = {str(name) for (name,) in session.fetch("find_tables", catalog=catalog)}
    if not tables:
        return 0
    version = session.fetch("find_schema_version")[0][0] if "schema_version" in tables else None
    if version is None:
        raise StoreError("the database file is not one of reflect-otel; choose another data folder")
    return int(version)


def migrate(
    session: Session, catalog: str, clock: Clock, migrations: Mapping[int, Sequence[str]] = MIGRATIONS
) -> None:
    """Apply the versions that are missing.

    Raises:
        SchemaMismatch: the database is of a newer release; nothing was changed.
        StoreError: it is not a database of ours, or a migration failed and was rolled back.
    """
    present, newest = read_version(session, catalog), max(migrations)
    if present > newest:
        raise SchemaMismatch(
            f"the database has schema version {present}, this release knows up to {newest}; "
            "install the release that wrote it, or a newer one"
        )
    for version in range(present + 1, newest + 1):
        with session.transaction():
            for script in migrations[version]:
                session.run_script(script)
            session.execute("insert_schema_version", version=version, applied_ns=clock())
