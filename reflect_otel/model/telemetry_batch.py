"""One stretch of the journal as the store takes it."""

from collections.abc import Sequence
from dataclasses import dataclass

from reflect_otel.model.memory import Served
from reflect_otel.model.review import ReviewSignal
from reflect_otel.model.spans import LogRecord, SpanRecord
from reflect_otel.model.trace import RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryBatch:
    """What one stretch of the journal decodes to; committed in one transaction together with its offset.

    Attributes:
        journal_offset: sequence number of the last journal record in this batch.
        spans, logs: (project id, record) pairs.
        runs: the rows of every run the batch touches, as the assembler sees them after it.
        joined: (project id, trace id bytes, run id) of every trace newly found to belong to a run. A trace may
            belong to several named runs; a named run takes the place of the default one (trace id in hex), whose
            reviews and servings move along.
        reviews: (project id, signal) pairs.
        served: (project id, served) pairs.
    """

    journal_offset: int
    received_ns: int
    spans: Sequence[tuple[str, SpanRecord]] = ()
    logs: Sequence[tuple[str, LogRecord]] = ()
    joined: Sequence[tuple[str, bytes, str]] = ()
    runs: Sequence[RunRecord] = ()
    reviews: Sequence[tuple[str, ReviewSignal]] = ()
    served: Sequence[tuple[str, Served]] = ()
