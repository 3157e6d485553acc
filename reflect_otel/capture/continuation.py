"""Makes one run of an untraced agent's model calls.

An agent without a span of its own leaves every model call in a trace of its own. A call whose input messages begin
with all the messages of an earlier call continues it: it gets the earlier call's trace id as its run id.
"""

import threading
from collections import OrderedDict
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import format_trace_id

from reflect_otel.attributes import GEN_AI_INPUT_MESSAGES, REFLECT_RUN_ID
from reflect_otel.capture.run_stamp import with_run_id

_MAX_CONVERSATIONS: Final = 64
_MAX_CHARACTERS: Final = 4_000_000


class ContinuationFinder:
    """Remembers the latest input of recent conversations as JSON text; compares texts, parses nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inputs: OrderedDict[str, str] = OrderedDict()
        self._characters = 0

    def join(self, span: ReadableSpan) -> ReadableSpan:
        """The span with its run id if it is a parentless model call that continues another; else the span."""
        attributes = span.attributes or {}
        text = attributes.get(GEN_AI_INPUT_MESSAGES)
        if span.parent is not None or span.context is None or REFLECT_RUN_ID in attributes:
            return span
        if not isinstance(text, str) or not text.endswith("]"):
            return span
        with self._lock:
            earlier = self._find_run(text)
            self._remember(earlier or format_trace_id(span.context.trace_id), text)
        return span if earlier is None else with_run_id(span, earlier)

    def _find_run(self, text: str) -> str | None:
        """The run with the longest input, the latest of equals, that ``text`` goes on from."""
        best: str | None = None
        for run_id, earlier in self._inputs.items():
            goes_on = len(earlier) < len(text) and text.startswith(earlier[:-1]) and text[len(earlier) - 1] == ","
            if goes_on and (best is None or len(earlier) >= len(self._inputs[best])):
                best = run_id
        return best

    def _remember(self, run_id: str, text: str) -> None:
        self._characters += len(text) - len(self._inputs.pop(run_id, ""))
        self._inputs[run_id] = text
        while len(self._inputs) > _MAX_CONVERSATIONS or self._characters > _MAX_CHARACTERS:
            _, forgotten = self._inputs.popitem(last=False)
            self._characters -= len(forgotten)
