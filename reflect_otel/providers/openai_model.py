"""A ``LanguageModel`` over any OpenAI-compatible endpoint, through the openai library.

Key, address, organisation, proxies and certificates are the library's own settings (OPENAI_API_KEY, OPENAI_BASE_URL
and so on). What an endpoint does not support is left out of the next call: structured outputs first give way to plain
JSON mode, then to none; models that allow no temperature get none.
"""

import re
import time
import weakref
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

import openai

from reflect_otel.errors import ConfigError, DeadlineExceeded, RateLimited, ReflectError, Unavailable
from reflect_otel.model.model_call import Completion, ModelOptions
from reflect_otel.providers.model_answer import read_json_answer

LONGEST_ANSWER_BYTES: Final = 4_000_000
"""More than a thousand times what is asked for; whoever sends more is cut off."""

_MOST_CONCESSIONS: Final = 4
_MOST_TOKENS: Final = 1_000_000_000
_LONGEST_REASON: Final = 200
_LATE: Final = "the language model did not answer in time"
_KEY: Final = re.compile(r"\b(?:sk|key|token)-[\w*-]+", re.IGNORECASE)


class OpenAIModel:
    """Chat completions of one model. Safe to call from any thread.

    Retries are not made here: whoever asks has other work to do meanwhile.

    Args:
        options: which model, and the limits of one call.

    Raises:
        ConfigError: the library finds no key.
    """

    provider = "openai"

    def __init__(self, options: ModelOptions) -> None:
        self.model = options.model
        self._options = options
        self._formats = ["json_schema", "json_object", "text"]
        self._has_temperature = True
        self._limit_name = "max_completion_tokens"
        try:
            self._client = openai.OpenAI(timeout=options.timeout_seconds, max_retries=0)
        except openai.OpenAIError as error:
            raise ConfigError(f"the openai library cannot be used: {_short(error)}; set OPENAI_API_KEY") from error
        weakref.finalize(self, self._client.close)  # its connections end with it, not when a collector comes by

    def complete(self, system: str, user: str, *, schema_name: str, schema: Mapping[str, Any]) -> Completion:
        """The answer to a system and a user message.

        Raises:
            TransportError: no answer now, another try may bring one.
            ConfigError: the endpoint refuses the call; another try brings the same.
        """
        for _ in range(_MOST_CONCESSIONS + 1):
            try:
                return _read(self._call(system, user, schema_name, schema))
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if not self._concede(error):
                    raise _translated(error) from error
            except openai.OpenAIError as error:
                raise _translated(error) from error
        raise ConfigError(f"the endpoint refuses every form of the call to {self.model}")

    def _call(self, system: str, user: str, schema_name: str, schema: Mapping[str, Any]) -> Any:
        """The JSON of the answer."""
        wanted: dict[str, Any] = {self._limit_name: self._options.max_output_tokens}
        if self._has_temperature:
            wanted["temperature"] = 0
        if self._formats[0] == "json_schema":
            described = {"name": schema_name, "schema": schema, "strict": True}
            wanted["response_format"] = {"type": "json_schema", "json_schema": described}
        elif self._formats[0] == "json_object":
            wanted["response_format"] = {"type": "json_object"}
        ends_seconds = time.monotonic() + self._options.timeout_seconds
        with self._client.chat.completions.with_streaming_response.create(
            model=self.model,
            messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
            **wanted,
        ) as response:
            return read_json_answer(response.iter_bytes(), ends_seconds, LONGEST_ANSWER_BYTES, _LATE)

    def _concede(self, error: openai.APIStatusError) -> bool:
        """Leave out what the endpoint complains about; False when nothing is left to leave out."""
        said = f"{error.message} {getattr(error, 'param', '') or ''}".lower()
        if "temperature" in said and self._has_temperature:
            self._has_temperature = False
        elif "max_completion_tokens" in said and self._limit_name == "max_completion_tokens":
            self._limit_name = "max_tokens"
        elif len(self._formats) > 1 and any(word in said for word in ("response_format", "json", "schema", "format")):
            self._formats = self._formats[1:]
        else:
            return False
        return True


def _read(answer: Any) -> Completion:
    """The first choice; an envelope that is not one of a chat completion is a problem, not an exception.

    Raises:
        Unavailable: when it is an error under a status of success, as gateways send them.
    """
    choice = _first(_field(answer, "choices"))
    message = _field(choice, "message")
    failure = _field(answer, "error")
    if message is None and failure:
        raise Unavailable(f"the endpoint answers with an error: {_short(_field(failure, 'message') or failure)}")
    text = _read_text(_field(message, "content"))
    usage = _field(answer, "usage")
    return Completion(
        text=text,
        problem=_find_problem(choice, message, text),
        input_tokens=_count(usage, "prompt_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
    )


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None


def _read_text(content: Any) -> str:
    """The words of a message; some endpoints send them in parts, beside parts of other types."""
    if isinstance(content, list):
        parts = (_field(part, "text") for part in content if _field(part, "type") == "text")
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _find_problem(choice: Any, message: Any, text: str) -> str:
    if message is None:
        return "the endpoint's answer holds no message"
    refusal, reason = _field(message, "refusal"), _field(choice, "finish_reason")
    if refusal:
        return f"the model refused: {str(refusal)[:_LONGEST_REASON]}"
    if reason == "length":
        return "the answer was cut off at the length limit; be shorter"
    if reason == "content_filter":
        return "the endpoint's content filter stopped the answer"
    return "" if text.strip() else "the answer is empty"


def _count(usage: Any, name: str) -> int | None:
    """A number of tokens; what cannot be one is not believed, so that the estimate stands."""
    value = _field(usage, name)
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None


def _translated(error: openai.OpenAIError) -> ReflectError:
    if isinstance(error, openai.APITimeoutError):
        return DeadlineExceeded(_LATE)
    if isinstance(error, openai.APIStatusError):
        return _translated_status(error)
    if isinstance(error, openai.APIConnectionError):
        return Unavailable(f"the language model's endpoint cannot be reached: {_short(error.__cause__ or error)}")
    return Unavailable(f"the language model's answer cannot be read: {_short(error)}")


def _translated_status(error: openai.APIStatusError) -> ReflectError:
    status = error.status_code
    said = f"the language model's endpoint answers {status}: {_short(error)}"
    retry_after = _read_retry_after(error.response.headers)
    if status == 429:
        return RateLimited(said, retry_after_seconds=retry_after)
    if status >= 500 or status in (408, 409, 425):
        return Unavailable(said, retry_after_seconds=retry_after)
    remedy = "; check OPENAI_API_KEY, OPENAI_BASE_URL and the model's name" if status in (401, 403, 404) else ""
    return ConfigError(f"{said}{remedy}")


def _read_retry_after(headers: Mapping[str, str]) -> float | None:
    """RFC 9110, section 10.2.3: seconds or a date."""
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _short(error: object) -> str:
    """One line without credentials: libraries name the key they were refused with."""
    text = _KEY.sub("…", " ".join(str(error).split()))[:_LONGEST_REASON]
    return text or type(error).__name__
