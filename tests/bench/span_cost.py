"""What one span start and end costs the thread that makes the span, against the stock BatchSpanProcessor.

``python -m tests.bench.span_cost`` measures both in one process, round by round, so that a busy machine slows both
alike; it prints CPU microseconds a span at a low quantile and their ratio.
"""

import time
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, Tracer, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from reflect_otel import RunSpanProcessor

ROUNDS = 300
SPANS = 250
PAUSE_SECONDS = 0.004
ATTRIBUTES = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5.4-mini",
    "gen_ai.request.temperature": 0.2,
    "gen_ai.response.model": "gpt-5.4-mini-2026-03-01",
    "gen_ai.response.id": "chatcmpl-0123456789abcdef",
    "gen_ai.usage.input_tokens": 1021,
    "gen_ai.usage.output_tokens": 214,
    "gen_ai.conversation.id": "conversation-1",
    "gen_ai.agent.name": "research",
    "gen_ai.output.messages": "y" * 200,
}


class DiscardingExporter(SpanExporter):
    """Takes spans and does nothing with them."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


def run_processor() -> RunSpanProcessor:
    """Ours, with nothing behind it."""
    return RunSpanProcessor(DiscardingExporter())


def _tracer(processor: SpanProcessor | None) -> Tracer:
    provider = TracerProvider(shutdown_on_exit=False)
    if processor is not None:
        provider.add_span_processor(processor)
    return provider.get_tracer("bench")


def _round_us(tracer: Tracer) -> float:
    began = time.thread_time()
    for number in range(SPANS):
        messages = f"{number}{'x' * 4096}"  # a large text of its own for every span, as an agent has
        tracer.start_span("chat", attributes={**ATTRIBUTES, "gen_ai.input.messages": messages}).end()
    return (time.thread_time() - began) / SPANS * 1e6


def main() -> None:
    """Measure and print."""
    contestants = {
        "no processor": _tracer(None),
        "BatchSpanProcessor": _tracer(BatchSpanProcessor(DiscardingExporter())),
        "RunSpanProcessor": _tracer(run_processor()),
    }
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, tracer in contestants.items():
            times[name].append(_round_us(tracer))
            time.sleep(PAUSE_SECONDS)
    low = {name: sorted(taken)[ROUNDS // 10] for name, taken in times.items()}
    for name, taken_us in low.items():
        print(f"{name:20} {taken_us:6.2f} µs a span")
    print(f"{'ratio':20} {low['RunSpanProcessor'] / low['BatchSpanProcessor']:6.3f} (goal: at most 1.10)")


if __name__ == "__main__":
    main()
