"""What a dialect reader finds on one span: the common form that all instrumentations come down to."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from reflect_otel.model.trajectory import Message


class Work(StrEnum):
    """What a span stands for.

    ``WRAPPER`` is a workflow, chain, graph node or task around other work: it says nothing of its own.
    """

    MODEL_CALL = "model_call"
    TOOL_RUN = "tool_run"
    AGENT_RUN = "agent_run"
    EMBEDDING = "embedding"
    RETRIEVAL = "retrieval"
    WRAPPER = "wrapper"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """Tokens of one model call; ``None`` means not reported.

    Attributes:
        input_tokens: the whole prompt, cached tokens included.
        output_tokens: the whole completion, reasoning included.
        cached_input_tokens: the cached part of the prompt.
        reasoning_output_tokens: the reasoning part of the completion.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    reasoning_output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """One execution of a tool. ``result`` is ``None`` when it was not recorded; ``error`` when it succeeded."""

    name: str = ""
    call_id: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    result: Any = None
    error: str | None = None


@dataclass(slots=True, kw_only=True)
class SpanReading:
    """The facts on one span; a field a dialect cannot tell stays empty, so that another one may fill it.

    Treat as immutable; not ``frozen`` because reading builds tens of thousands a second.

    Attributes:
        inputs: what the model (or agent) was given, system prompt first.
        outputs: what it answered.
        agent: name of the agent that did the work.
        conversation_id: the session that the work belongs to.
        tool: set on tool runs only.
        failed_attempts: tries that the client repeated by itself before this call's own outcome.
        cost_usd: price of the call in US dollars.
        final_response: the answer in words, where a wrapper tells it without messages.
        from_client: written by the model's client itself; its token counts beat those of layers around it.
        inferred: no known dialect; the content was recognised by its shape.
        problems: what could not be read, one sentence each.
    """

    work: Work = Work.OTHER
    inputs: tuple[Message, ...] = ()
    outputs: tuple[Message, ...] = ()
    agent: str | None = None
    conversation_id: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    finish_reason: str | None = None
    usage: TokenUsage = TokenUsage()
    tool: ToolRun | None = None
    failed_attempts: int = 0
    cost_usd: float | None = None
    final_response: str | None = None
    from_client: bool = False
    inferred: bool = False
    problems: tuple[str, ...] = ()
