"""Raw requests and responses of model APIs and frameworks, told apart by their keys.

Read where an instrumentation records the call's arguments and return value as they were: OpenInference's input and
output value, MLflow's span inputs and outputs, Langfuse's observation input and output, and so on. Covers OpenAI
chat completions, responses and completions, Anthropic messages, Gemini ``generateContent``, Bedrock Converse, Ollama,
Cohere, and serialised LangChain results.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reflect_otel.dialects.decoding import decode, find_number
from reflect_otel.dialects.messages import read_finish_reason, read_instructions, read_messages
from reflect_otel.dialects.object_repr import is_opaque, read_object_repr
from reflect_otel.dialects.parts import find, find_mapping
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


def read_provider_usage(response: Mapping[str, Any]) -> TokenUsage:
    """Token counts of a response in the provider's own words."""
    usage = find(response, ("usage", "usage_metadata", "usageMetadata", "token_usage", "tokenUsage"))
    if isinstance(usage, dict):
        return read_token_counts(usage)
    output = response.get("llm_output")
    return read_provider_usage(output) if isinstance(output, dict) else TokenUsage()


def read_token_counts(usage: Mapping[str, Any]) -> TokenUsage:
    """A usage object of any provider."""
    prompt = find_number(usage, *_PROMPT_KEYS)
    cached = find_number(usage, "cache_read_input_tokens", "cacheReadInputTokens")
    if cached is not None and prompt is not None:
        # Anthropic and Bedrock count cached tokens beside the prompt, all others within it.
        prompt += cached + (find_number(usage, "cache_creation_input_tokens", "cacheWriteInputTokens") or 0)
    return TokenUsage(
        input_tokens=prompt,
        output_tokens=find_number(usage, *_COMPLETION_KEYS),
        cached_input_tokens=_find_detail(usage, _PROMPT_DETAILS, _CACHED_KEYS) if cached is None else cached,
        reasoning_output_tokens=_find_detail(usage, _COMPLETION_DETAILS, _REASONING_KEYS),
    )


def _find_detail(usage: Mapping[str, Any], groups: tuple[str, ...], names: tuple[str, ...]) -> int | None:
    details = find(usage, groups)
    inner = find_number(details, *names) if isinstance(details, dict) else None
    return find_number(usage, *names) if inner is None else inner


_PROMPT_KEYS: Final = (
    "input_tokens",
    "prompt_tokens",
    "prompt_token_count",
    "promptTokenCount",
    "inputTokens",
    "promptTokens",
    "input",
)
_COMPLETION_KEYS: Final = (
    "output_tokens",
    "completion_tokens",
    "candidates_token_count",
    "candidatesTokenCount",
    "outputTokens",
    "completionTokens",
    "output",
)
_PROMPT_DETAILS: Final = ("prompt_tokens_details", "input_tokens_details", "input_token_details", "inputTokenDetails")
_COMPLETION_DETAILS: Final = (
    "completion_tokens_details",
    "output_tokens_details",
    "output_token_details",
    "outputTokenDetails",
)
_CACHED_KEYS: Final = (
    "cached_tokens",
    "cache_read",
    "cached_content_token_count",
    "cachedContentTokenCount",
    "cachedInputTokens",
    "cacheReadTokens",
)
_REASONING_KEYS: Final = (
    "reasoning_tokens",
    "reasoning",
    "thoughts_token_count",
    "thoughtsTokenCount",
    "reasoningTokens",
)
