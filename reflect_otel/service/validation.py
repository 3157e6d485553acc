"""What a use case demands of its arguments. Each function returns its argument, or raises naming the field.

Sizes are UTF-8 bytes. ``Settings.max_task_bytes`` limits the task and ``learning.retrieval`` the retrieval options;
every other limit stands here.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from reflect_otel.errors import InvalidArgument
from reflect_otel.model.review import Review
from reflect_otel.model.trace import TraceDraft

MAX_FEEDBACK_BYTES: Final = 64 * 1024
MAX_REFLECTION_BYTES: Final = 16 * 1024
MAX_REFERENCE_BYTES: Final = 256 * 1024
MAX_RESPONSE_BYTES: Final = 4 * 1024 * 1024
MAX_NAME_CHARACTERS: Final = 200
MAX_METADATA_PAIRS: Final = 64
MAX_METADATA_BYTES: Final = 64 * 1024
MAX_MESSAGES: Final = 10_000
MAX_RETRIEVED_IDS: Final = 1000
MAX_DELETED_IDS: Final = 1000


def require_text(value: str, field: str, max_bytes: int) -> str:
    """Text that is neither blank nor too long.

    Raises:
        InvalidArgument: it is.
    """
    if not value.strip():
        raise InvalidArgument(f"{field} is required and must not be blank", field=field)
    return limit_text(value, field, max_bytes)


def limit_text(value: str, field: str, max_bytes: int) -> str:
    """Text that may be empty but not too long.

    Raises:
        InvalidArgument: it is longer than ``max_bytes``, or not valid Unicode.
    """
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidArgument(f"{field} is not valid Unicode text (lone surrogates)", field=field) from None
    if size > max_bytes:
        raise InvalidArgument(f"{field} has {size} bytes, the limit is {max_bytes}; shorten it", field=field)
    return value


def require_id(value: str, field: str) -> str:
    """An identifier: 1 to 200 characters, none of them a control character.

    Raises:
        InvalidArgument: anything else.
    """
    if not value:
        raise InvalidArgument(f"{field} is required", field=field)
    return limit_name(value, field)


def limit_name(value: str, field: str) -> str:
    """A short name that may be empty: at most 200 characters, none of them a control character or surrogate.

    Raises:
        InvalidArgument: anything else.
    """
    if len(value) > MAX_NAME_CHARACTERS:
        raise InvalidArgument(f"{field} has {len(value)} characters, the limit is {MAX_NAME_CHARACTERS}", field=field)
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        raise InvalidArgument(f"{field} must not contain control characters", field=field)
    return value


def require_ids(values: Sequence[str], field: str, max_count: int) -> tuple[str, ...]:
    """Distinct identifiers in order of first appearance.

    Raises:
        InvalidArgument: too many, or one of them is no identifier.
    """
    limit_count(len(values), field, max_count)
    return tuple(dict.fromkeys(require_id(value, f"{field}[{i}]") for i, value in enumerate(values)))


def limit_count(count: int, field: str, max_count: int) -> None:
    """Refuse more than ``max_count`` entries.

    Raises:
        InvalidArgument: there are more.
    """
    if count > max_count:
        raise InvalidArgument(f"{field} has {count} entries, the limit is {max_count}", field=field)


def require_metadata(pairs: Mapping[str, str], field: str) -> Mapping[str, str]:
    """At most 64 pairs of together at most 64 KiB, keys named like identifiers.

    Raises:
        InvalidArgument: more, larger, or a key that is no identifier.
    """
    limit_count(len(pairs), field, MAX_METADATA_PAIRS)
    for key in pairs:
        require_id(key, f"{field} key")
    limit_text("".join(pairs) + "".join(pairs.values()), field, MAX_METADATA_BYTES)
    return pairs


def require_review(review: Review) -> Review:
    """A review whose numbers are in range and whose texts are not too long.

    Raises:
        InvalidArgument: one is not.
    """
    if review.score is not None:
        _require_within(review.score, 0.0, 1.0, "review.score")
    if review.alpha is not None and not 0.0 < review.alpha <= 1.0:
        raise InvalidArgument(f"review.alpha must be above 0 and at most 1, not {review.alpha}", field="review.alpha")
    limit_text(review.feedback or "", "review.feedback", MAX_FEEDBACK_BYTES)
    require_id(review.name, "review.name")
    limit_name(review.identifier, "review.identifier")
    return review


def require_draft(draft: TraceDraft, max_task_bytes: int) -> TraceDraft:
    """A run submitted in one piece, every part of it within its limits; memory ids made distinct.

    Raises:
        InvalidArgument: a part is missing, too long or out of range.
    """
    require_text(draft.task, "task", max_task_bytes)
    limit_count(len(draft.messages), "trajectory", MAX_MESSAGES)
    limit_text(draft.final_response or "", "final_response", MAX_RESPONSE_BYTES)
    limit_text(draft.reference_context or "", "reference_context", MAX_REFERENCE_BYTES)
    limit_name(draft.model or "", "model")
    limit_name(draft.agent or "", "agent")
    limit_name(draft.session_id or "", "session_id")
    limit_name(draft.error_type or "", "error_type")
    require_metadata(draft.metadata, "metadata")
    if draft.review is not None:
        require_review(draft.review)
    return replace(
        draft,
        retrieved_memory_ids=require_ids(draft.retrieved_memory_ids, "retrieved_memory_ids", MAX_RETRIEVED_IDS),
    )


def _require_within(value: float, low: float, high: float, field: str) -> None:
    if not low <= value <= high:
        raise InvalidArgument(f"{field} must be a number from {low:g} to {high:g}, not {value}", field=field)
