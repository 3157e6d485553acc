"""Reviews: a verdict on a run, and the form in which telemetry brings one."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from reflect_otel.errors import InvalidArgument


class ReviewResult(StrEnum):
    """The verdict on a run."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"

    @classmethod
    def parse(cls, text: str, *, field: str = "result") -> "ReviewResult":
        """Read ``pass``/``fail`` or their aliases ``success``/``failure``; case and outer space are ignored.

        Raises:
            InvalidArgument: for any other text.
        """
        folded = text.strip().lower() if isinstance(text, str) else ""
        verdict = _REVIEW_ALIASES.get(folded)
        if verdict is None:
            raise InvalidArgument(
                f"unknown review result {str(text)[:60]!r}; use 'pass' or 'fail' (aliases 'success', 'failure')",
                field=field,
            )
        return verdict


_REVIEW_ALIASES: Final = {
    "pass": ReviewResult.PASS,
    "success": ReviewResult.PASS,
    "fail": ReviewResult.FAIL,
    "failure": ReviewResult.FAIL,
}


class ReviewSource(StrEnum):
    """Who judged: a person, a program, or a language model."""

    HUMAN = "human"
    CODE = "code"
    LLM = "llm"


class ReviewStatus(StrEnum):
    """Whether a run has a review that learning has taken in."""

    PENDING = "pending"
    REVIEWED = "reviewed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A verdict on a run. Its key is (run, name, source, identifier): the same key again replaces it.

    Attributes:
        score: in [0, 1]; ``None`` means 1.0 for pass and 0.0 for fail.
        name: the evaluation's name, ``review`` for a plain review.
        identifier: tells reviewers of one source apart; empty for the only one.
        alpha: step-size override of the utility update in (0, 1], ``None`` for the rule's own.
        created_ns: Unix time in nanoseconds.
    """

    result: ReviewResult
    score: float | None = None
    feedback: str | None = None
    source: ReviewSource = ReviewSource.HUMAN
    name: str = "review"
    identifier: str = ""
    alpha: float | None = None
    created_ns: int = 0

    @property
    def reward(self) -> float:
        """The score, or 1.0 / 0.0 by the result."""
        if self.score is not None:
            return self.score
        return 1.0 if self.result is ReviewResult.PASS else 0.0

    @property
    def key(self) -> tuple[str, str, str]:
        """Identity within a run: (name, source, identifier)."""
        return (self.name, self.source.value, self.identifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSignal:
    """A review found in telemetry, before it is known which stored run it belongs to.

    The first target that names a known run decides, in this order: ``run_id`` (taken as it is, known or not),
    ``response_id`` (an evaluator's event often stands in the evaluator's own trace), ``trace_id``.

    Attributes:
        response_id: the ``gen_ai.response.id`` of the judged answer.
        trace_id: 16 bytes of the reviewed span's trace (own trace or a span link's).
        withdrawn: the review of this key is taken back; the verdict in ``review`` says nothing then.
    """

    review: Review
    run_id: str | None = None
    trace_id: bytes | None = None
    response_id: str | None = None
    withdrawn: bool = False
