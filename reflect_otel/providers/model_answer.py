"""The body of a model endpoint's answer, read piece by piece: a library's own timeout is for each piece of it."""

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

from reflect_otel.errors import DeadlineExceeded, Unavailable


def read_json_answer(pieces: Iterable[bytes], ends_seconds: float, longest_bytes: int, late: str) -> Any:
    """The JSON of an answer.

    Args:
        pieces: the body as it arrives.
        ends_seconds: when to give up, on the monotonic clock.
        longest_bytes: whoever sends more is cut off.
        late: what to say of an answer that is not there by then.

    Raises:
        DeadlineExceeded: it does not end in time.
        Unavailable: it breaks off, is too long, or is no JSON.
    """
    body = _read_body(pieces, ends_seconds, longest_bytes, late)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unavailable(f"the endpoint's answer cannot be read: {_short(error)}") from error


def _read_body(pieces: Iterable[bytes], ends_seconds: float, longest_bytes: int, late: str) -> bytes:
    body = bytearray()
    for piece in _translate_faults(pieces, late):
        body += piece
        if len(body) > longest_bytes:
            raise Unavailable(f"the endpoint's answer is longer than {longest_bytes:,} bytes")
        if time.monotonic() > ends_seconds:
            raise DeadlineExceeded(late)
    return bytes(body)


def _translate_faults(pieces: Iterable[bytes], late: str) -> Iterator[bytes]:
    try:
        yield from pieces
    except Exception as error:  # of the HTTP library that openai brings along, whichever that is
        if "Timeout" in type(error).__name__:
            raise DeadlineExceeded(late) from error
        raise Unavailable(f"the endpoint's answer broke off: {_short(error)}") from error


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
