"""A database that has not what its journal had handed on to it: deleted, replaced, or restored from a backup."""

import logging
from typing import Final

from reflect_otel.journal import Journal

REMEDY: Final = (
    "if that was not meant, stop the service now, put the newest reflect.duckdb back (with its .wal file, if it has "
    "one) and start again"
)

_log: Final = logging.getLogger(__name__)


def find_older_store(journal: Journal, offset: int) -> str:
    """What is missing in the store and what comes back; empty when it has all that the journal had handed on.

    Args:
        journal: opened with the store's position.
        offset: that position.
    """
    stored_before = max(journal.found_sequence, journal.trimmed_sequence)
    if stored_before <= offset:
        return ""
    gone = journal.trimmed_sequence - offset
    again = min(stored_before, journal.last_sequence) - journal.trimmed_sequence
    return (
        f"the database ends at journal record {offset}, but up to record {stored_before} all had been stored: the "
        "file was deleted, replaced, or restored from an older backup. Of the records behind its end, "
        f"{again} are read again from the journal and {gone} are gone; what did not come by telemetry, such as "
        "memories written by hand, settings and quarantines, does not come back"
    )


def warn_of_older_store(journal: Journal, offset: int) -> None:
    """Tell the operator, once, before the difference is written over."""
    found = find_older_store(journal, offset)
    if found:
        _log.warning("%s; %s", found, REMEDY)
