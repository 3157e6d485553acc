"""Instrumentations that record a call's input and output as they were: one reader, told by a table of names.

Langfuse, LangSmith, MLflow, Logfire and Google ADK differ in what they call things, not in what they write: a kind of
observation, an input, an output, a model, token counts. Each has a file of its own with its :class:`Layout`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from reflect_otel.dialects.decoding import decode, find_text
from reflect_otel.dialects.parts import find
from reflect_otel.dialects.provider_json import ProviderCall, read_request, read_response
from reflect_otel.dialects.token_counts import read_token_counts
from reflect_otel.dialects.tool_values import read_tool_values
from reflect_otel.model.reading import SpanReading, TokenUsage, Work
from reflect_otel.model.spans import Attributes, LogRecord, SpanRecord
from reflect_otel.model.trajectory import Message, Role

OBSERVATION_KINDS: Final[Mapping[str, Work]] = {
    "llm": Work.MODEL_CALL,
    "chat_model": Work.MODEL_CALL,
    "generation": Work.MODEL_CALL,
    "tool": Work.TOOL_RUN,
    "agent": Work.AGENT_RUN,
    "chain": Work.WRAPPER,
    "workflow": Work.WRAPPER,
    "task": Work.WRAPPER,
    "span": Work.WRAPPER,
    "embedding": Work.EMBEDDING,
    "retriever": Work.RETRIEVAL,
    "reranker": Work.RETRIEVAL,
}
"""What backends call the kinds of observations they agree on, in lower case."""

_EMPTY_ANSWER: Final = Message(role=Role.ASSISTANT, content="")
_ANSWER_KEYS: Final = ("output", "result", "answer", "response", "text", "content")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What one instrumentation calls things; tuples are in order of preference.

    Attributes:
        claimed: attributes of which any one marks a span of this dialect.
        kind_keys: where the kind of work stands.
        kinds: kind in lower case to work.
        default_work: work of a span that tells no kind we know.
        usage_keys: an object of token counts.
    """

    claimed: frozenset[str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    kind_keys: tuple[str, ...] = ()
    kinds: Mapping[str, Work] = field(default_factory=dict)
    default_work: Work = Work.OTHER
    models: tuple[str, ...] = ()
    usage_keys: tuple[str, ...] = ()
    conversations: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    tool_names: tuple[str, ...] = ()
    tool_call_ids: tuple[str, ...] = ()


class RecordedCallReader:
    """Reads spans by a layout; a dialect sets ``name`` and ``layout``."""

    name: str
    rank = 40
    is_last_resort = False
    layout: ClassVar[Layout]

    def claims(self, span: SpanRecord, _logs: Sequence[LogRecord]) -> bool:
        """True when the span carries one of the layout's own attributes."""
        return not self.layout.claimed.isdisjoint(span.attributes)

    def read(self, span: SpanRecord, _logs: Sequence[LogRecord]) -> SpanReading:
        """Read the span."""
        attributes, layout = span.attributes, self.layout
        problems: list[str] = []
        work = self.read_work(span)
        entered, left = find_value(attributes, layout.inputs), find_value(attributes, layout.outputs)
        asked, answered = read_exchange(work, entered, left, problems)
        tool = None
        if work is Work.TOOL_RUN:
            name = find_text(attributes, *layout.tool_names) or span.name
            call_id = find_text(attributes, *layout.tool_call_ids)
            tool = read_tool_values(name, call_id, _open_single(entered, "input"), _open_single(left, "output"))
        return SpanReading(
            work=work,
            inputs=asked.messages,
            outputs=tuple(message for message in answered.messages if message != _EMPTY_ANSWER),
            agent=self.read_agent(span, work),
            conversation_id=find_text(attributes, *layout.conversations),
            request_model=asked.model or _read_model(attributes, layout.models),
            response_model=answered.model,
            response_id=answered.response_id,
            finish_reason=answered.finish_reason,
            usage=self.read_usage(attributes) or answered.usage,
            tool=tool,
            final_response=_find_answer(left) if work in (Work.AGENT_RUN, Work.WRAPPER) else None,
            problems=tuple(problems),
        )

    def read_work(self, span: SpanRecord) -> Work:
        """The kind of work by the layout's kind attribute."""
        kind = decode(find_value(span.attributes, self.layout.kind_keys))
        known = self.layout.kinds.get(kind.lower()) if isinstance(kind, str) else None
        return known or self.layout.default_work

    def read_agent(self, span: SpanRecord, work: Work) -> str | None:
        """The agent's name: its attribute, else the name of an agent's span."""
        named = find_text(span.attributes, *self.layout.agents)
        return named or (span.name or None if work is Work.AGENT_RUN else None)

    def read_usage(self, attributes: Attributes) -> TokenUsage | None:
        """The token counts that the span itself carries."""
        counts = decode(find_value(attributes, self.layout.usage_keys))
        return read_token_counts(counts) if isinstance(counts, dict) else None


def read_exchange(work: Work, entered: Any, left: Any, problems: list[str]) -> tuple[ProviderCall, ProviderCall]:
    """What a model, or an agent, was asked and answered; other work has no say in the conversation."""
    if work is Work.MODEL_CALL:
        return read_request(entered, problems), read_response(left, problems)
    if work is not Work.AGENT_RUN:
        return ProviderCall(), ProviderCall()
    return (
        ProviderCall(messages=read_request(entered, problems).messages),
        ProviderCall(messages=read_response(left, problems).messages),
    )


def _open_single(value: Any, name: str) -> Any:
    """The one value of an object that a tracer has put around it: LangChain's ``input``, LangSmith's ``output``."""
    decoded = decode(value, nested=False)
    if not isinstance(decoded, Mapping) or set(decoded) != {name}:
        return value
    inner = decoded[name]
    is_object = isinstance(inner, Mapping) or (isinstance(inner, str) and inner.lstrip()[:1] == "{")
    return inner if name == "output" or is_object else value


def _find_answer(value: Any) -> str | None:
    """The text that an agent, or a function around it, gave back."""
    decoded = decode(value)
    if isinstance(decoded, Mapping):
        decoded = find(decoded, _ANSWER_KEYS)
    return decoded if isinstance(decoded, str) and decoded else None


def find_value(attributes: Attributes, names: tuple[str, ...]) -> Any:
    """The first of these attributes that is there."""
    return next((value for name in names if (value := attributes.get(name)) is not None), None)


def _read_model(attributes: Attributes, names: tuple[str, ...]) -> str | None:
    model = decode(find_text(attributes, *names))
    return model if isinstance(model, str) else None
