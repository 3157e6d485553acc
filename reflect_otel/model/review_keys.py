"""Which review of a run is meant, and what to say when there is none."""

from collections.abc import Sequence
from typing import Final, TypeAlias

from reflect_otel.errors import NotFound
from reflect_otel.model.review import Review

ReviewKey: TypeAlias = tuple[str, str, str]
"""Identity of a review within its run: (name, source, identifier)."""


_LAST_NS: Final = 2**63 - 1
"""Unix nanoseconds that OTLP senders and stores can still tell."""


def is_overtaken(said_ns: int, newest_ns: int) -> bool:
    """Whether a newer word of the same key has overtaken what telemetry says, which may come twice, late, unordered.

    What was said without a time (0) counts as new.
    """
    return 0 < said_ns < newest_ns


def find_change_time(said_ns: int, newest_ns: int) -> int:
    """The time of a word that takes the place of the newest one; later than that, whatever the clocks of both say.

    Only nothing comes after the last time there is.
    """
    return min(max(said_ns, newest_ns + 1), _LAST_NS)


def build_unknown_review(run_id: str, key: ReviewKey, standing: Sequence[Review]) -> NotFound:
    """The error for a key under which the run has never had a review; names those that stand."""
    known = "; ".join(map(_describe, (review.key for review in standing))) or "none"
    return NotFound(
        f"run {run_id!r} has no review with {_describe(key)}; it has: {known}",
        resource_type="review",
        resource_name=run_id,
    )


def _describe(key: ReviewKey) -> str:
    name, source, identifier = key
    return f"name {name!r}, source {source!r}, identifier {identifier!r}"
