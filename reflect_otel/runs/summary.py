"""The row of a run, filled from its spans and its trajectory."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from reflect_otel import attributes as keys
from reflect_otel.model.spans import AttributeValue, Run, SpanRecord
from reflect_otel.model.trace import RunRecord
from reflect_otel.model.trajectory import ExecutionMetrics, Trajectory, TrajectoryMetrics

_MAX_METADATA: Final = 128
_MAX_AUTHOR_CHARACTERS: Final = 200
_AUTHOR_KEYS: Final = (
    "user.id",
    "enduser.id",
    "enduser.pseudo.id",
    "langfuse.user.id",
    "traceloop.association.properties.user_id",
    "ai.telemetry.metadata.userId",
    f"{keys.REFLECT_METADATA_PREFIX}user.id",
    f"{keys.REFLECT_METADATA_PREFIX}user_id",
)
"""Where instrumentations and callers name the end user, the OpenTelemetry registry's own names first."""


def build_record(record: RunRecord, run: Run, trajectory: Trajectory) -> RunRecord:
    """The row with everything that reading the run tells."""
    metrics = trajectory.metrics or TrajectoryMetrics()
    times = trajectory.execution_metrics or ExecutionMetrics()
    return replace(
        record,
        task=trajectory.task.text or "",
        agent=trajectory.agent,
        model=trajectory.model,
        session_id=trajectory.task.conversation_id,
        final_response=trajectory.final_response,
        reference_context=_first_text(run, keys.REFLECT_REFERENCE_CONTEXT),
        metadata=_metadata(run),
        served_memory_ids=tuple(dict.fromkeys(_served_ids(run))),
        steps=len(trajectory.steps),
        llm_calls=metrics.llm_calls,
        llm_errors=metrics.llm_errors,
        tool_calls=metrics.num_tool_calls or 0,
        tool_errors=metrics.num_tool_failures or 0,
        input_tokens=metrics.input_tokens,
        output_tokens=metrics.output_tokens,
        span_count=len(run.spans),
        started_ns=times.started_ns,
        ended_ns=times.ended_ns,
        inferred=trajectory.inferred,
        last_error="",
        author=_find_author(run),
    )


def _values(run: Run, key: str) -> Iterator[AttributeValue]:
    return (span.attributes[key] for span in run.spans if key in span.attributes)


def _first_text(run: Run, key: str) -> str | None:
    return next((value for value in _values(run, key) if isinstance(value, str) and value), None)


def _find_author(run: Run) -> str:
    """The end user: by the first of ``_AUTHOR_KEYS`` that any span of the run carries."""
    found = (_first_text(run, key) for key in _AUTHOR_KEYS)
    return next((author[:_MAX_AUTHOR_CHARACTERS] for author in found if author), "")


def _served_ids(run: Run) -> Iterator[str]:
    for value in _values(run, keys.REFLECT_MEMORY_IDS):
        if isinstance(value, str):
            yield from filter(None, value.split(","))
        elif isinstance(value, list | tuple):
            yield from (item for item in value if isinstance(item, str) and item)


def _metadata(run: Run) -> dict[str, str]:
    found: dict[str, str] = {}
    for span in run.spans:
        for key in _metadata_keys(span):
            found.setdefault(key.removeprefix(keys.REFLECT_METADATA_PREFIX), str(span.attributes[key]))
    return dict(list(found.items())[:_MAX_METADATA])


def _metadata_keys(span: SpanRecord) -> Iterator[str]:
    return (key for key in span.attributes if key.startswith(keys.REFLECT_METADATA_PREFIX))
