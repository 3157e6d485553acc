"""The SQL of the store: one file per statement, all of them listed here, read once and checked at start."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from reflect_otel.errors import StoreError

TABLES: Final = (
    "schema_version",
    "journal_offset",
    "spans",
    "logs",
    "trace_extents",
    "runs",
    "run_traces",
    "trajectories",
    "messages",
    "reviews",
    "review_signals",
    "servings",
    "memories",
    "memory_vectors",
    "utility_events",
    "learning_jobs",
)
"""Every table of schema version 1, in the order of creation."""

MIGRATIONS: Final = (
    "0002_learning",
    "0003_reflections",
    "0004_vectors_by_embedder",
    "0005_lift",
    "0006_ledger_results",
    "0007_learning_indexes",
)
"""What leads from each schema version to the next, in order; the number is the version reached."""

STATEMENTS: Final = (
    "claim_jobs",
    "count_active_by_project",
    "count_active_memories",
    "count_embedded",
    "count_memories_by_status",
    "count_memories_of_author",
    "count_review_signals",
    "count_runs",
    "count_runs_of_id",
    "count_spans",
    "count_unworthy",
    "delete_chain_tail",
    "delete_heir",
    "delete_jobs",
    "delete_ledger_of_memories",
    "delete_logs",
    "delete_memory",
    "delete_other_vectors",
    "delete_quarantined_memories",
    "delete_reflections",
    "delete_review_signals",
    "delete_review_signals_of_runs",
    "delete_reviews",
    "delete_run_traces",
    "delete_runs",
    "delete_servings_of_runs",
    "delete_servings_of_traces",
    "delete_spans",
    "delete_surplus_review_signals",
    "delete_trace_extents",
    "delete_trajectories",
    "delete_utility_events",
    "delete_vectors",
    "delete_vectors_of_embedders",
    "delete_verdicts",
    "delete_withdrawn_review",
    "end_jobs",
    "find_arm_counts",
    "find_chain_parent",
    "find_chains",
    "find_contrasting_runs",
    "find_counters",
    "find_created_memories",
    "find_heads",
    "find_events_of_memories",
    "find_heirs",
    "find_family_members",
    "find_heirs_of_family",
    "find_memories_by_id",
    "find_jobs",
    "find_journal_offset",
    "find_kin",
    "find_known_messages",
    "find_least_useful_memories",
    "find_log_hashes",
    "find_logs",
    "find_memories",
    "find_memories_credited",
    "find_memories_of_origin",
    "find_memory",
    "find_merged",
    "find_needed_depth",
    "find_project_settings",
    "find_quarantine_members",
    "find_quarantines",
    "find_quarantines_of_members",
    "find_reflection",
    "find_reflections",
    "find_review",
    "find_review_signals",
    "find_reviewed_runs",
    "find_reviews",
    "find_runs",
    "find_runs_by_id",
    "find_runs_by_review",
    "find_runs_of_author",
    "find_runs_of_traces",
    "find_runs_served",
    "find_schema_version",
    "find_served_vectors",
    "find_serving_keys",
    "find_servings_of_runs",
    "find_servings_of_traces",
    "find_span_keys",
    "find_spans",
    "find_spans_by_response",
    "find_spending",
    "find_tables",
    "find_trace_extents",
    "find_traces_of_runs",
    "find_trajectories",
    "find_unclosed_runs",
    "find_unembedded",
    "find_unjudged_runs",
    "find_unworthy_memories",
    "find_utility_events",
    "find_vectors_of_memories",
    "find_waiting_word",
    "find_withdrawn_review",
    "insert_job",
    "insert_logs",
    "insert_memories",
    "insert_messages",
    "insert_quarantine",
    "insert_quarantine_members",
    "insert_reflections",
    "insert_review",
    "insert_review_signal",
    "insert_run_traces",
    "insert_runs",
    "insert_schema_version",
    "insert_servings",
    "insert_spans",
    "insert_trace_extents",
    "insert_trajectories",
    "insert_utility_events",
    "insert_vectors",
    "insert_verdicts",
    "move_contrasts",
    "move_heirs",
    "move_memories",
    "move_quarantined_run",
    "move_servings",
    "move_withdrawn_reviews",
    "queue_jobs",
    "release_quarantines",
    "rename_run",
    "requeue_job",
    "update_job_failure",
    "update_journal_offset",
    "update_last_served",
    "update_memories",
    "update_review",
    "update_standing",
    "update_utilities",
    "withdraw_review",
    "write_heir",
    "write_memory",
    "write_model_call",
    "write_project_settings",
    "write_utility_events",
    "write_vectors",
)
"""Every statement; a file that is missing here, or a name without a file, stops the program."""

_FOLDER: Final = files("reflect_otel.store") / "sql"


@cache
def load_statements() -> Mapping[str, str]:
    """Statement texts by name. Raises StoreError when files and register disagree."""
    return _load("", STATEMENTS)


@cache
def load_tables() -> Mapping[str, str]:
    """Table definitions by name, in the order of creation. Raises StoreError when files and register disagree."""
    return _load("tables", TABLES)


@cache
def load_migrations() -> Mapping[int, str]:
    """Scripts by the schema version they lead to. Raises StoreError when files and register disagree."""
    return {int(name[:4]): script for name, script in _load("migrations", MIGRATIONS).items()}


def expand_lists(statement: str, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Write every tuple parameter out as ``$name_0, $name_1 ...``, the only form DuckDB answers from an index."""
    flat: dict[str, Any] = {}
    for name, value in parameters.items():
        if not isinstance(value, tuple):
            flat[name] = value
            continue
        numbered = {f"{name}_{position}": item for position, item in enumerate(value)}
        marks = ", ".join(f"${key}" for key in numbered) or "null"
        statement = re.sub(rf"\${name}\b", marks, statement)
        flat |= numbered
    return statement, flat


def _load(folder: str, names: tuple[str, ...]) -> Mapping[str, str]:
    place = _FOLDER / folder if folder else _FOLDER
    found = {entry.name.removesuffix(".sql") for entry in place.iterdir() if entry.name.endswith(".sql")}
    if found != set(names):
        raise StoreError(
            f"the SQL files of this installation do not match its register: {sorted(found ^ set(names))}; "
            "reinstall reflect-otel[server]"
        )
    return {name: (place / f"{name}.sql").read_text("utf-8") for name in names}
