"""Reviews: attached to their run once, kept waiting while it is unknown, each change an order to learn."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from reflect_otel.model.review import Review, ReviewResult, ReviewSignal, ReviewSource
from reflect_otel.model.review_keys import ReviewKey, find_change_time, is_overtaken
from reflect_otel.model.run_ids import read_run_id
from reflect_otel.ports import Clock
from reflect_otel.store.columns import storable_text
from reflect_otel.store.pieces import iter_pieces
from reflect_otel.store.run_rows import find_record_by_identifier, find_run_ids
from reflect_otel.store.session import Row, Session
from reflect_otel.store.value_json import read_json

MAX_WAITING: Final = 100_000
"""Most reviews of a project that wait for runs that are not known."""

MAX_WAITING_FOR_ONE: Final = 1000
"""Most of them that name the same run, answer or trace."""

_KEY: Final = ("name", "source", "identifier")
_SAID: Final = ("result", "score", "feedback", "alpha")
_FIELDS: Final = ("name", "source", "identifier", "result", "score", "feedback", "alpha", "created_ns")


@dataclass(frozen=True, slots=True)
class WaitingReview:
    """A review signal with its project; ``ordinal`` is its row while it waits, 0 while it does not."""

    project_id: str
    signal: ReviewSignal
    ordinal: int = 0


class _Word(NamedTuple):
    """A review with the time of the newest word of its key."""

    review: Review
    changed_ns: int


def write_signal(
    session: Session,
    project_id: str,
    run_id: str,
    signal: ReviewSignal,
    clock: Clock,
    next_ordinal: Callable[[], int],
) -> bool:
    """What telemetry says of a run; False when it changes nothing.

    Telemetry may be repeated: a word that is older than the newest one of its key changes nothing, nor does one as
    old as that bring back what was withdrawn. A word without a time counts as new.
    """
    review = _storable_review(signal.review)
    known = _find_words(session, project_id, run_id, review.key)
    standing, tombstone = known.get(False), known.get(True)
    if standing is not None and is_overtaken(review.created_ns, standing.changed_ns):
        return False
    if signal.withdrawn:
        return write_withdrawal(session, project_id, run_id, review.key, clock)
    if tombstone is not None and review.created_ns <= tombstone.changed_ns:
        return False
    return write_review(session, project_id, run_id, review, clock, next_ordinal)


def write_withdrawal(session: Session, project_id: str, run_id: str, key: ReviewKey, clock: Clock) -> bool:
    """Take the review of this key back and queue a learning job; False when none stands."""
    standing = find_reviews(session, project_id, [run_id]).get(run_id, ())
    if not any(review.key == key for review in standing):
        return False
    session.execute("withdraw_review", **_key_values(project_id, run_id, key))
    _queue_job(session, project_id, run_id, clock())
    return True


def is_withdrawn(session: Session, project_id: str, run_id: str, key: ReviewKey) -> bool:
    """Whether a review of this key was given and taken back."""
    return bool(session.fetch("find_withdrawn_review", **_key_values(project_id, run_id, key)))


def write_review(
    session: Session, project_id: str, run_id: str, review: Review, clock: Clock, next_ordinal: Callable[[], int]
) -> bool:
    """Upsert by key and queue a learning job; False when the review says what is stored already."""
    review = _storable_review(review)
    words = _find_words(session, project_id, run_id, review.key)
    known = words.get(False)
    if known is not None and replace(review, created_ns=known.review.created_ns) == known.review:
        return False
    changed_ns = review.created_ns if known is None else find_change_time(review.created_ns, known.changed_ns)
    values = _review_values(review) | {"changed_ns": changed_ns}
    if known is None:
        if words:
            session.execute("delete_withdrawn_review", **_key_values(project_id, run_id, review.key))
        session.execute("insert_review", project_id=project_id, run_id=run_id, ordinal=next_ordinal(), **values)
    else:
        del values["created_ns"]  # the place in the order of learning is that of the first verdict
        session.execute("update_review", project_id=project_id, run_id=run_id, **values)
    _queue_job(session, project_id, run_id, clock())
    return True


def _find_words(session: Session, project_id: str, run_id: str, key: ReviewKey) -> dict[bool, _Word]:
    """What is known of the key, by whether it is withdrawn."""
    rows = session.fetch("find_review", **_key_values(project_id, run_id, key))
    return {withdrawn: _Word(_read_review(tuple(row)), changed_ns) for withdrawn, changed_ns, *row in rows}


def find_reviews(session: Session, project_id: str, run_ids: Sequence[str]) -> dict[str, list[Review]]:
    """The reviews of each run, oldest first; runs without one are absent."""
    found: dict[str, list[Review]] = {}
    for piece in iter_pieces(run_ids):
        for row in session.fetch("find_reviews", project_id=project_id, run_ids=piece):
            found.setdefault(row[0], []).append(_read_review(row[1:]))
    return found


def find_waiting(
    session: Session, run_ids: Collection[str], response_ids: Collection[str], trace_ids: Collection[bytes]
) -> list[WaitingReview]:
    """Waiting reviews that name one of these, in order of arrival."""
    rows = session.fetch(
        "find_review_signals", run_ids=list(run_ids), response_ids=list(response_ids), trace_ids=list(trace_ids)
    )
    return [
        WaitingReview(
            project_id=row[1],
            signal=ReviewSignal(
                run_id=row[2],
                response_id=row[3],
                trace_id=row[4],
                review=_read_review(row[5:-1]),
                withdrawn=row[-1],
            ),
            ordinal=row[0],
        )
        for row in rows
    ]


def write_waiting(session: Session, waiting: WaitingReview, next_ordinal: Callable[[], int]) -> bool:
    """Keep a review whose run is not known yet; False when it is the newest word of its key already."""
    signal, review = waiting.signal, _storable_review(waiting.signal.review)
    values = _review_values(review)
    target = {
        "project_id": waiting.project_id,
        "target_run_id": signal.run_id,
        "target_response_id": signal.response_id,
        "target_trace_id": signal.trace_id,
    }
    newest = session.fetch("find_waiting_word", **target, **{name: values[name] for name in _KEY})
    if newest == [(*(values[name] for name in _SAID), signal.withdrawn)]:
        return False
    session.execute("insert_review_signal", ordinal=next_ordinal(), withdrawn=signal.withdrawn, **target, **values)
    return True


def delete_surplus(session: Session, project_ids: Iterable[str], count: int) -> int:
    """Let the oldest waiting reviews make room, where a project or one run has too many: it may never come.

    Args:
        session: of the writer.
        project_ids: that have got one.
        count: how many wait in all.

    Returns:
        How many still do.
    """
    if count <= MAX_WAITING_FOR_ONE:
        return count
    for project_id in sorted(set(project_ids)):
        session.execute(
            "delete_surplus_review_signals",
            project_id=project_id,
            most=MAX_WAITING,
            most_at_target=MAX_WAITING_FOR_ONE,
        )
    return int(session.fetch("count_review_signals")[0][0])


def resolve_runs(session: Session, reviews: Sequence[WaitingReview]) -> list[str | None]:
    """The run each review is about, ``None`` where it is not known: by run id, else response id, else trace id."""
    answers = _find_runs_of_responses(session, reviews)
    return [_resolve(session, item, answers) for item in reviews]


def _resolve(session: Session, item: WaitingReview, answers: dict[tuple[str, str], str]) -> str | None:
    signal, project_id = item.signal, item.project_id
    if signal.run_id is not None:
        record = find_record_by_identifier(session, project_id, signal.run_id)
        return record.run_id if record else None
    if signal.response_id is not None and (project_id, signal.response_id) in answers:
        return answers[project_id, signal.response_id]
    if signal.trace_id is not None:
        joined = find_run_ids(session, project_id, [signal.trace_id])
        return next(iter(joined.get(signal.trace_id, ())), None)
    return None


def _find_runs_of_responses(session: Session, reviews: Iterable[WaitingReview]) -> dict[tuple[str, str], str]:
    wanted = {item.signal.response_id for item in reviews if item.signal.run_id is None and item.signal.response_id}
    found: dict[tuple[str, str], str] = {}
    if not wanted:
        return found
    for project_id, response_id, trace_id, attributes in session.fetch(
        "find_spans_by_response", response_ids=list(wanted)
    ):
        joined = find_run_ids(session, project_id, [trace_id]).get(trace_id, [])
        own = read_run_id(read_json(attributes)) if attributes else None
        run_id = own if own in joined else next(iter(joined), None)
        if run_id is not None:
            found.setdefault((project_id, response_id), run_id)
    return found


def _queue_job(session: Session, project_id: str, run_id: str, queued_ns: int) -> None:
    job = {"project_id": project_id, "run_id": run_id, "queued_ns": queued_ns}
    if not session.fetch("requeue_job", **job)[0][0]:
        session.execute("insert_job", **job)


def _key_values(project_id: str, run_id: str, key: ReviewKey) -> dict[str, str]:
    name, source, identifier = key
    return {"project_id": project_id, "run_id": run_id, "name": name, "source": source, "identifier": identifier}


def _storable_review(review: Review) -> Review:
    feedback = None if review.feedback is None else storable_text(review.feedback)
    return replace(
        review, name=storable_text(review.name), identifier=storable_text(review.identifier), feedback=feedback
    )


def _review_values(review: Review) -> dict[str, Any]:
    return {
        "name": review.name,
        "source": review.source.value,
        "identifier": review.identifier,
        "result": review.result.value,
        "score": review.score,
        "feedback": review.feedback,
        "alpha": review.alpha,
        "created_ns": review.created_ns,
    }


def _read_review(row: Row) -> Review:
    fields = dict(zip(_FIELDS, row, strict=True))
    return Review(**fields | {"source": ReviewSource(fields["source"]), "result": ReviewResult(fields["result"])})
