"""Which dialects a span is written in, and what they say together.

Readers come from the entry-point group ``reflect_otel.dialects``, ours and third parties' alike. A span may be
written in several dialects at once; the reader of lowest rank speaks first and the others fill what it left empty.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from operator import attrgetter
from typing import Final

from reflect_otel import attributes as keys
from reflect_otel.dialects.decoding import find_text
from reflect_otel.errors import PluginError
from reflect_otel.model.reading import SpanReading, TokenUsage, ToolRun
from reflect_otel.model.spans import LogRecord, SpanRecord, StatusCode
from reflect_otel.plugins import find_plugin_names, load_plugin
from reflect_otel.ports import DialectReader

GROUP: Final = "reflect_otel.dialects"

_RUN_KEYS: Final = (keys.REFLECT_RUN_ID, keys.REFLECT_TASK, keys.REFLECT_FINAL_RESPONSE, keys.REFLECT_RUN_COMPLETE)
_SET_UP: Final = frozenset(
    {"create_agent", "create_memory_store", "search_memory", "create_memory", "update_memory", "upsert_memory"}
)

logger = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class ReadSpan:
    """A span with what was read from it; treat as immutable.

    Attributes:
        dialects: names of the readers that contributed.
        error: why the work failed, or ``None``.
    """

    span: SpanRecord
    reading: SpanReading
    dialects: tuple[str, ...]
    error: str | None


@cache
def find_readers() -> tuple[DialectReader, ...]:
    """Every installed reader, lowest rank first; one that does not load is left out with a warning."""
    readers: list[DialectReader] = []
    for name in find_plugin_names(GROUP):
        try:
            readers.append(load_plugin(GROUP, name)())
        except (PluginError, TypeError, AttributeError) as error:
            logger.warning("the dialect %r cannot be loaded: %s", name, error)
    return tuple(sorted(readers, key=lambda reader: (reader.rank, reader.name)))


def is_agent_span(span: SpanRecord) -> bool:
    """True when the span tells of an agent's work in any dialect, by its attribute keys.

    A span that only sets something up (``create_agent``), or looks into a memory before a run, is none.
    """
    attributes = span.attributes
    if any(key in attributes for key in _RUN_KEYS):
        return True
    if find_text(attributes, keys.GEN_AI_OPERATION_NAME) in _SET_UP:
        return False
    return any(_claims(reader, span, ()) for reader in find_readers())


def _claims(reader: DialectReader, span: SpanRecord, logs: Sequence[LogRecord]) -> bool:
    try:
        return reader.claims(span, logs)
    except Exception:
        logger.warning("the dialect %r failed on span %r", reader.name, span.name, exc_info=True)
        return False


def read_span(span: SpanRecord, logs: Sequence[LogRecord]) -> ReadSpan:
    """Read one span with the log records that belong to it; never raises."""
    reading: SpanReading | None = None
    dialects: list[str] = []
    problems: list[str] = []
    for reader in find_readers():
        try:
            if (dialects and reader.is_last_resort) or not reader.claims(span, logs):
                continue
            own = reader.read(span, logs)
        except Exception as error:  # noqa: BLE001 - a reader's fault is a reported problem, not a lost run
            reason = f"span {span.span_id.hex()}: the {reader.name} reader failed: {type(error).__name__}: {error}"
            problems.append(reason[:300])
            continue
        reading = own if reading is None else merge_readings(reading, own)
        dialects.append(reader.name)
    if reading is None:
        reading = SpanReading()
    if problems:
        reading = replace(reading, problems=(*problems, *reading.problems))
    return ReadSpan(span, reading, tuple(dialects), find_error(span))


def find_error(span: SpanRecord) -> str | None:
    """Why the span's work failed in the best words it has, or ``None``."""
    kind = span.attributes.get(keys.ERROR_TYPE)
    if span.status_code != StatusCode.ERROR and (not kind or span.status_code == StatusCode.OK):
        return None
    for event in span.events:
        message = event.attributes.get("exception.message")
        if event.name == "exception" and isinstance(message, str) and message:
            return message
    return span.status_message or (kind if isinstance(kind, str) else "") or "error"


_MERGED_BY_PART: Final = frozenset({"usage", "tool", "problems"})
_FACTS: Final = tuple(item.name for item in fields(SpanReading) if item.name not in _MERGED_BY_PART)
_read_facts: Final = attrgetter(*_FACTS)
_NOTHING: Final = _read_facts(SpanReading())
"""What each of these facts is where a reading says nothing of it."""


def merge_readings(first: SpanReading, *others: SpanReading) -> SpanReading:
    """One reading from several of the same work: each fact from the first that knows it."""
    merged = first
    for other in others:
        told = zip(_FACTS, _read_facts(merged), _read_facts(other), _NOTHING, strict=True)
        facts = {name: theirs if mine == unknown else mine for name, mine, theirs, unknown in told}
        merged = SpanReading(
            **facts,
            usage=merge_usage(merged.usage, other.usage),
            tool=merge_tool_runs(merged.tool, other.tool),
        )
    problems = tuple(dict.fromkeys(problem for reading in (first, *others) for problem in reading.problems))
    return replace(merged, problems=problems) if problems else merged


_NO_USAGE: Final = TokenUsage()


def merge_usage(first: TokenUsage, second: TokenUsage) -> TokenUsage:
    """Each count from the first that knows it."""
    if second == _NO_USAGE or first is second:
        return first
    return TokenUsage(
        input_tokens=_either(first.input_tokens, second.input_tokens),
        output_tokens=_either(first.output_tokens, second.output_tokens),
        cached_input_tokens=_either(first.cached_input_tokens, second.cached_input_tokens),
        reasoning_output_tokens=_either(first.reasoning_output_tokens, second.reasoning_output_tokens),
    )


def _either(first: int | None, second: int | None) -> int | None:
    return second if first is None else first


def merge_tool_runs(first: ToolRun | None, second: ToolRun | None) -> ToolRun | None:
    """Each fact from the first that knows it."""
    if first is None or second is None:
        return first or second
    return ToolRun(
        name=first.name or second.name,
        call_id=first.call_id or second.call_id,
        arguments=first.arguments or second.arguments,
        result=second.result if first.result is None else first.result,
        error=first.error or second.error,
    )


def group_logs(logs: Iterable[LogRecord]) -> dict[bytes, list[LogRecord]]:
    """Log records by the span they were written in; those without one are left out."""
    by_span: dict[bytes, list[LogRecord]] = {}
    for log in logs:
        if log.span_id is not None:
            by_span.setdefault(log.span_id, []).append(log)
    return by_span
