"""Gemini's way with tool results: it takes only objects, so its clients put text under the one key ``result``.

Where an instrumentation writes that object as JSON text, the text inside it is the tool's result.
"""

from dataclasses import replace
from typing import Final

from reflect_otel import attributes as keys
from reflect_otel.dialects.decoding import decode, find_text
from reflect_otel.model.spans import Attributes
from reflect_otel.model.trajectory import Message, Role

_PROVIDER_KEYS: Final = (keys.GEN_AI_PROVIDER_NAME, "gen_ai.system", "llm.provider", "llm.system")
_GOOGLE: Final = frozenset({"google", "vertexai", "vertex_ai", "gemini"})
_ENVELOPE: Final = '{"result"'


def open_results(messages: tuple[Message, ...], attributes: Attributes) -> tuple[Message, ...]:
    """The messages of a call, with the texts that a Gemini client wrapped; other providers' stay as they are."""
    provider = find_text(attributes, *_PROVIDER_KEYS) or ""
    if provider not in _GOOGLE and not provider.startswith("gcp."):
        return messages
    return tuple(_open_result(message) if message.role is Role.TOOL else message for message in messages)


def _open_result(message: Message) -> Message:
    response = message.tool_response
    if response is None or not isinstance(response.response, str) or not response.response.startswith(_ENVELOPE):
        return message
    decoded = decode(response.response)
    if not isinstance(decoded, dict) or len(decoded) != 1 or not isinstance(decoded.get("result"), str):
        return message
    result = decoded["result"]
    return replace(message, content=result, tool_response=replace(response, response=result))
