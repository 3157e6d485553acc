"""``reflect-otel doctor --data-dir``: what the data folder of a stopped service holds."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from collector_plugin.commands.finding import Finding, print_findings
from collector_plugin.exit_codes import ExitCode
from collector_plugin.older_store import REMEDY, find_older_store
from reflect_otel.errors import ReflectError
from reflect_otel.journal import Journal
from reflect_otel.plugins import load_plugin
from reflect_otel.ports import Store
from reflect_otel.store.schema import NEWEST_VERSION

_RECOVERY: Final = "start the service once; it takes up what the journal holds"


def run_folder_doctor(data_dir: Path, *, as_json: bool) -> ExitCode:
    """Open the folder as the service would, which brings it to this release's schema, and print what is in it."""
    return print_findings(list(_check_folder(data_dir)), as_json=as_json)


def _check_folder(data_dir: Path) -> Iterator[Finding]:
    database = data_dir / "reflect.duckdb"
    if not database.is_file():
        yield _explain_missing(data_dir)
        return
    try:
        store: Store = load_plugin("reflect_otel.stores", "duckdb")(database)
        with closing(store), closing(Journal(data_dir / "journal", start_after=store.journal_offset())) as journal:
            yield from _count(store, journal)
    except ReflectError as error:
        yield Finding(check="folder", detail=error.reason, remedy=str(error))


def _explain_missing(data_dir: Path) -> Finding:
    if (data_dir / "journal").is_dir():
        return Finding(
            check="folder",
            detail=f"{data_dir} holds a journal, but no reflect.duckdb",
            remedy="restore reflect.duckdb from a backup; without it the service begins with an empty database and "
            "takes up what the journal still holds",
        )
    return Finding(
        check="folder",
        detail=f"{data_dir} holds no reflect.duckdb",
        remedy="name the --data-dir that the service was started with",
    )


def _count(store: Store, journal: Journal) -> Iterator[Finding]:
    older = find_older_store(journal, store.journal_offset())
    if older:
        yield Finding(check="database", detail=older, remedy=REMEDY)
    pending = max(0, journal.last_sequence - store.journal_offset())
    counts = {"spans": store.count_spans(), "runs": store.count_runs(), "schema_version": NEWEST_VERSION}
    for check, value in counts.items():
        yield Finding(check=check, detail=str(value), value=value)
    yield Finding(check="journal_pending", detail=str(pending), value=pending, remedy=_RECOVERY if pending else "")
