"""What a decorated function gave back, as the output of its run."""

from typing import Any, Final

from reflect_otel.client.trace_context import Output, TraceContext, TraceResult

_MAX_TEXT_CHARACTERS: Final = 1_000_000


def take_returned(ctx: TraceContext, returned: Any) -> Any:
    """Note what the function returned; what its caller gets.

    A ``TraceResult`` tells everything. A text is the answer to the task, unless ``ctx.set_output`` said more.
    Anything else is handed on as it is; the run's content then comes from the spans inside it.
    """
    if isinstance(returned, TraceResult):
        ctx.set_output(
            trajectory=returned.trajectory,
            final_response=returned.output if isinstance(returned.output, str) else None,
            result=returned.result,
            feedback_text=returned.feedback_text,
            model=returned.model,
            metadata=returned.metadata,
        )
        return returned.output
    if isinstance(returned, str) and ctx.output is None:
        ctx.output = _build_answer(ctx, returned)
    return returned


class StreamedText:
    """The text that a generator yielded piece by piece, up to a million characters.

    Nothing once it yields anything but text.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._characters = 0
        self._is_text = True

    def add(self, item: object) -> None:
        """Note one item."""
        self._is_text = self._is_text and isinstance(item, str)
        if isinstance(item, str) and self._characters < _MAX_TEXT_CHARACTERS:
            self._pieces.append(item)
            self._characters += len(item)

    def take(self, ctx: TraceContext) -> None:
        """Make it the run's answer, unless the function said more itself."""
        if self._is_text and self._pieces and ctx.output is None:
            ctx.output = _build_answer(ctx, "".join(self._pieces)[:_MAX_TEXT_CHARACTERS])


def _build_answer(ctx: TraceContext, text: str) -> Output:
    return Output(
        trajectory=[{"role": "user", "content": ctx.augmented_task}, {"role": "assistant", "content": text}],
        final_response=text,
    )
