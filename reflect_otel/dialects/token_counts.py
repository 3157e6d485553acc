"""Token counts in the words of each provider: OpenAI, Anthropic, Gemini, Bedrock, LangChain, Vercel."""

from collections.abc import Mapping
from typing import Any, Final

from reflect_otel.dialects.decoding import find_number
from reflect_otel.dialects.parts import find
from reflect_otel.model.reading import TokenUsage

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
_USAGE_KEYS: Final = ("usage", "usage_metadata", "usageMetadata", "token_usage", "tokenUsage")


def read_provider_usage(response: Mapping[str, Any]) -> TokenUsage:
    """Token counts of a response in the provider's own words."""
    usage = find(response, _USAGE_KEYS)
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
