"""Raw requests and responses of model APIs and frameworks, told apart by their keys.

Read where an instrumentation records the call's arguments and return value as they were: OpenInference's input and
output value, MLflow's span inputs and outputs, Langfuse's observation input and output, and so on. Covers OpenAI
chat completions, responses and completions, Anthropic messages, Gemini ``generateContent``, Bedrock Converse, Ollama,
Cohere, and serialised LangChain results.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from reflect_otel.dialects.decoding import decode
from reflect_otel.dialects.messages import read_finish_reason, read_instructions, read_messages
from reflect_otel.dialects.object_repr import is_opaque, read_object_repr
from reflect_otel.dialects.parts import find, find_mapping
from reflect_otel.dialects.token_counts import read_provider_usage
from reflect_otel.model.reading import TokenUsage
from reflect_otel.model.trajectory import Message, Role

_INPUT_KEYS: Final = (
    "messages",
    "input_messages",
    "inputMessages",
    "contents",
    "prompt",
    "prompts",
    "inputs",
    "input",
)
_SYSTEM_KEYS: Final = (
    "system",
    "instructions",
    "system_prompt",
    "system_instruction",
    "systemInstruction",
    "system_instructions",
    "preamble",
)
_OUTPUT_KEYS: Final = (
    "choices",
    "candidates",
    "generations",
    "output",
    "outputs",
    "message",
    "messages",
    "response",
    "responses",
    "replies",
    "content",
    "text",
    "generated_text",
    "completion",
    "result",
    "update",
)
_MAX_NESTING: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCall:
    """What one recorded request or response tells."""

    messages: tuple[Message, ...] = ()
    model: str | None = None
    response_id: str | None = None
    finish_reason: str | None = None
    usage: TokenUsage = field(default_factory=TokenUsage)


def read_request(value: Any, problems: list[str] | None = None) -> ProviderCall:
    """A recorded request: system prompt and messages; plain text is one user message."""
    request = decode(value, problems)
    if not isinstance(request, dict):
        return ProviderCall(messages=read_messages(request, Role.USER, problems))
    if "role" in request or "parts" in request:
        return ProviderCall(messages=read_messages(request, Role.USER, problems))
    inner = request.get("kwargs") or request.get("request") or request.get("body")
    if isinstance(inner, dict) and find(inner, _INPUT_KEYS) is not None:
        return read_request(inner, problems)
    config = find_mapping(request, "config")
    system = find(request, _SYSTEM_KEYS) or find(config, _SYSTEM_KEYS)
    instructions = read_instructions(_parts_of(system), problems)
    model = find(request, ("model", "model_name", "modelId", "model_id"))
    messages = read_messages(find(request, _INPUT_KEYS), Role.USER, problems)
    return ProviderCall(
        messages=messages if instructions and messages[:1] == instructions else instructions + messages,
        model=model if isinstance(model, str) else None,
    )


def _parts_of(system: Any) -> Any:
    return system["parts"] if isinstance(system, dict) and "parts" in system else system


def read_response(value: Any, problems: list[str] | None = None) -> ProviderCall:
    """A recorded response: the answer, with what the provider says about it; plain text is one answer."""
    response = decode(value, problems)
    if (
        isinstance(response, list)
        and len(response) == 1
        and isinstance(response[0], dict)
        and "role" not in response[0]
    ):
        response = response[0]
    if isinstance(response, str):
        opened = read_object_repr(response)
        if is_opaque(response) or (isinstance(opened, dict) and "role" not in opened):
            return ProviderCall()
        response = response if opened is None else [opened]
    if not isinstance(response, dict):
        return ProviderCall(messages=read_messages(response, Role.ASSISTANT, problems))
    model = find(response, ("model", "model_name", "modelVersion", "model_id"))
    identifier = find(response, ("id", "response_id", "responseId"))
    messages = _answers(response, 0)
    reason = read_finish_reason(find(response, ("finish_reason", "stop_reason", "stopReason")))
    return ProviderCall(
        messages=messages,
        model=model if isinstance(model, str) else None,
        response_id=identifier if isinstance(identifier, str) else None,
        finish_reason=reason or next((message.finish_reason for message in messages if message.finish_reason), None),
        usage=read_provider_usage(response),
    )


def _answers(value: Any, depth: int) -> tuple[Message, ...]:
    value = decode(value)
    if depth > _MAX_NESTING or value is None:
        return ()
    if isinstance(value, dict) and not _is_message(value):
        inner = find(value, _OUTPUT_KEYS)
        if isinstance(inner, str):
            return (Message(role=Role.ASSISTANT, content=inner),)
        if isinstance(inner, dict) and isinstance(value.get("message"), dict):
            return read_messages(value, Role.ASSISTANT)
        if isinstance(inner, list) and inner and isinstance(inner[0], (dict, list)) and not _is_message(inner[0]):
            return tuple(message for item in inner for message in _answers(item, depth + 1))
        return _answers(inner, depth + 1)
    if isinstance(value, list) and value and isinstance(value[0], list):
        return tuple(message for item in value for message in _answers(item, depth + 1))
    if isinstance(value, list) and value and isinstance(value[0], dict) and not _is_message(value[0]):
        return tuple(message for item in value for message in _answers(item, depth + 1))
    return read_messages(value, Role.ASSISTANT)


def _is_message(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    if value.get("lc") is not None or ("data" in value and "type" in value):
        return True
    return "role" in value or value.get("type") in ("function_call", "reasoning", "message", "ai", "human", "tool")
