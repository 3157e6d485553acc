"""An ``Embedder`` over any OpenAI-compatible endpoint, through the openai library.

Texts leave the machine only when somebody sets ``REFLECT_EMBEDDING_MODEL`` or asks for this embedder by name. Key,
address, proxies and certificates are the library's own settings (OPENAI_API_KEY, OPENAI_BASE_URL and so on);
``REFLECT_EMBEDDING_API_KEY`` and ``REFLECT_EMBEDDING_BASE_URL`` stand for them where embeddings come from elsewhere.
"""

import base64
import contextvars
import logging
import os
import re
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Self, cast

import numpy as np
import openai
from numpy.typing import NDArray

from reflect_otel.errors import ConfigError, DeadlineExceeded, RateLimited, ReflectError, Unavailable
from reflect_otel.ports import Vector
from reflect_otel.providers.calibration import FALLBACK_GATE, TASKS, read_gate
from reflect_otel.providers.embedder_profile import EmbedderProfile, find_profile, write_profile
from reflect_otel.providers.model_answer import read_json_answer

DEFAULT_MODEL: Final = "text-embedding-3-small"
BATCH_TEXTS: Final = 128
"""Most texts in one request."""
BATCH_CHARACTERS: Final = 300_000
"""Most characters in one request, unless it is a single text."""
LONGEST_ANSWER_BYTES: Final = 64_000_000
"""Several times what the longest vectors of a whole request take as text; whoever sends more is cut off."""

_NATIVE_DIMENSIONS: Final[Mapping[str, int]] = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
_HEAD_CHARACTERS: Final = 16_000
_TAIL_CHARACTERS: Final = 4_000
_LATE: Final = "the embedding endpoint did not answer in time"
_BLANK: Final = "(empty)"  # endpoints refuse a text of nothing
_RETRIES: Final = 3
_TIMEOUT_SECONDS: Final = 10.0
_LONGEST_REASON: Final = 200
_KEY: Final = re.compile(r"\b(?:sk|key|token)-[\w*-]+", re.IGNORECASE)
_ID: Final = re.compile(r"openai:(?P<model>.+)@(?P<dimensions>\d+)")

_log: Final = logging.getLogger(__name__)


class OpenAIEmbedder:
    """Embeddings of one model. Safe to call from any thread.

    Each request has a timeout of 10 seconds (``REFLECT_EMBEDDING_TIMEOUT_SECONDS``) and is tried four times, with
    back-off and at the pace that the endpoint asks for. Texts beyond 20,000 characters count with their beginning and
    end. ``gate`` is measured once, with the first answers of the model, and remembered; until then it is 0.35.

    Args:
        model: ``None`` = ``REFLECT_EMBEDDING_MODEL``, else text-embedding-3-small.
        dimensions: asked for from models that can shorten their vectors; ``None`` = ``REFLECT_EMBEDDING_DIMENSIONS``,
            else the model's own, which an unknown model is asked for at once.

    Raises:
        ConfigError: a setting is wrong, no key is found, or an unknown model cannot be asked for its dimensions.
    """

    lexical = False

    def __init__(self, model: str | None = None, dimensions: int | None = None) -> None:
        self._model = model or _read("MODEL") or DEFAULT_MODEL
        self._asked_dimensions = dimensions or _read_number("DIMENSIONS", int)
        self._timeout_seconds = _read_number("TIMEOUT_SECONDS", float) or _TIMEOUT_SECONDS
        try:
            self._client = openai.OpenAI(
                api_key=_read("API_KEY") or None,
                base_url=_read("BASE_URL") or None,
                timeout=self._timeout_seconds,
                max_retries=_RETRIES,
            )
        except openai.OpenAIError as error:
            raise ConfigError(
                f"the openai library cannot be used: {_short(error)}; set OPENAI_API_KEY, to any word where the "
                "endpoint asks for none"
            ) from error
        weakref.finalize(self, self._client.close)  # its connections end with it, not when a collector comes by
        self._calibrating = threading.Lock()
        self._profile = self._open_profile()
        self.dimensions = self._profile.dimensions
        self.id = f"openai:{self._model}@{self.dimensions}"

    @classmethod
    def from_id(cls, embedder_id: str) -> Self:
        """The embedder that wrote vectors under this id, at the endpoint that is set now.

        Raises:
            ConfigError: as the constructor, or the id is not one of this embedder.
        """
        found = _ID.fullmatch(embedder_id)
        if found is None:
            raise ConfigError(f"{embedder_id!r} is no id of this embedder; it reads openai:MODEL@DIMENSIONS")
        return cls(found["model"], int(found["dimensions"]))

    @property
    def gate(self) -> float:
        """The 95th percentile of the cosine between different tasks, measured with this model."""
        return FALLBACK_GATE if self._profile.gate is None else self._profile.gate

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """One float32 vector of length 1 per text, in order.

        Raises:
            TransportError: the endpoint does not answer, or asks to slow down.
            ConfigError: the endpoint refuses the call, or its vectors have other dimensions.
        """
        vectors = self._embed(texts)
        if vectors and self._profile.gate is None and self._calibrating.acquire(blocking=False):
            within = contextvars.copy_context()  # keeps instrumentation off in the other thread too
            threading.Thread(
                target=within.run, args=(self._calibrate,), name="reflect-embedding-gate", daemon=True
            ).start()
        return vectors

    # --- inside -----------------------------------------------------------------------------------------

    def _open_profile(self) -> EmbedderProfile:
        known = find_profile(self._profile_key())
        if known is not None:
            return known
        dimensions = self._asked_dimensions or _NATIVE_DIMENSIONS.get(self._model)
        return EmbedderProfile(dimensions) if dimensions else self._measure_unknown()

    def _measure_unknown(self) -> EmbedderProfile:
        try:
            return self._measure()
        except ReflectError as error:
            raise ConfigError(
                f"the dimensions of {self._model} are not known and its endpoint does not tell them ({error}); "
                "set REFLECT_EMBEDDING_DIMENSIONS, or start again when it answers"
            ) from error

    def _calibrate(self) -> None:
        try:
            self._profile = self._measure()
        except ReflectError as error:
            _log.info("the gate of %s stays at %s for now: %r", self.id, FALLBACK_GATE, str(error))
        finally:
            self._calibrating.release()

    def _measure(self) -> EmbedderProfile:
        vectors = [vector for piece in _pieces(TASKS) for vector in self._request(piece)]
        profile = EmbedderProfile(len(vectors[0]), read_gate([cast("Vector", vector) for vector in vectors]))
        write_profile(self._profile_key(), profile)
        return profile

    def _profile_key(self) -> str:
        return f"{self._client.base_url}\n{self._model}\n{self._asked_dimensions}"

    def _embed(self, texts: Sequence[str]) -> list[Vector]:
        found: list[Vector] = []
        for piece in _pieces([_sendable(text) for text in texts]):
            for vector in self._request(piece):
                if len(vector) != self.dimensions:
                    raise ConfigError(
                        f"{self._model} gives {len(vector)} dimensions where {self.dimensions} are expected; set "
                        f"REFLECT_EMBEDDING_DIMENSIONS={len(vector)}"
                    )
                found.append(cast("Vector", vector))
        return found

    def _request(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        wanted: dict[str, Any] = {}
        if self._asked_dimensions and self._asked_dimensions != _NATIVE_DIMENSIONS.get(self._model):
            wanted["dimensions"] = self._asked_dimensions
        try:
            with self._client.embeddings.with_streaming_response.create(
                model=self._model, input=list(texts), encoding_format="base64", **wanted
            ) as response:
                ends_seconds = time.monotonic() + self._timeout_seconds
                answer = read_json_answer(response.iter_bytes(), ends_seconds, LONGEST_ANSWER_BYTES, _LATE)
        except openai.OpenAIError as error:
            raise _translated(error) from error
        return _read_vectors(answer, len(texts))


def _read_vectors(answer: Any, count: int) -> list[NDArray[np.float32]]:
    """In the order of the texts, each of length 1; anything else than ``count`` usable vectors is refused."""
    try:
        entries = sorted(answer["data"], key=lambda entry: entry["index"])
        rows = np.asarray([_read_numbers(entry["embedding"]) for entry in entries], np.float32)
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise Unavailable(f"the embedding endpoint's answer cannot be read: {_short(error)}") from error
    if rows.ndim != 2 or len(rows) != count:
        raise Unavailable(f"the embedding endpoint answered {count} texts with {len(rows)} vectors")
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise Unavailable("the embedding endpoint answered with a vector that has no direction")
    return list((rows / lengths[:, np.newaxis]).astype(np.float32))


def _read_numbers(embedding: Any) -> Any:
    """As base64, which was asked for, or as a list, which many endpoints send all the same."""
    return np.frombuffer(base64.b64decode(embedding), "<f4") if isinstance(embedding, str) else embedding


def _pieces(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    piece: list[str] = []
    characters = 0
    for text in texts:
        if piece and (len(piece) == BATCH_TEXTS or characters + len(text) > BATCH_CHARACTERS):
            yield piece
            piece, characters = [], 0
        piece.append(text)
        characters += len(text)
    if piece:
        yield piece


def _sendable(text: str) -> str:
    if len(text) > _HEAD_CHARACTERS + _TAIL_CHARACTERS:
        text = f"{text[:_HEAD_CHARACTERS]} {text[-_TAIL_CHARACTERS:]}"
    text = text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
    return text if text.strip() else _BLANK


def _translated(error: openai.OpenAIError) -> ReflectError:
    if isinstance(error, openai.APITimeoutError):
        return DeadlineExceeded(_LATE)
    if isinstance(error, openai.APIStatusError):
        said = f"the embedding endpoint answers {error.status_code}: {_short(error)}"
        if error.status_code == 429:
            return RateLimited(said)
        if error.status_code >= 500 or error.status_code in (408, 409, 425):
            return Unavailable(said)
        return ConfigError(f"{said}; check OPENAI_API_KEY, OPENAI_BASE_URL and REFLECT_EMBEDDING_MODEL")
    return Unavailable(f"the embedding endpoint cannot be reached: {_short(error.__cause__ or error)}")


def _short(error: BaseException) -> str:
    """One line without credentials: libraries name the key they were refused with."""
    return _KEY.sub("…", " ".join(str(error).split()))[:_LONGEST_REASON] or type(error).__name__


def _read(name: str) -> str:
    return os.environ.get(f"REFLECT_EMBEDDING_{name}", "").strip()


def _read_number(name: str, kind: type[int] | type[float]) -> Any:
    given = _read(name)
    try:
        number = kind(given) if given else None
    except ValueError:
        number = 0
    if number is not None and not number > 0:
        raise ConfigError(f"REFLECT_EMBEDDING_{name}={given!r} is no number above 0")
    return number
