"""Waiting for runs: woken by publishing only, bounded, and free of leaks."""

import threading
import time

import pytest

from reflect_otel.errors import DeadlineExceeded, NotFound, RateLimited, Unavailable
from reflect_otel.model.review import ReviewStatus
from reflect_otel.model.trace import IngestStatus, Trace
from reflect_otel.service.trace_changes import TraceChanges
from reflect_otel.service.watch import RunWatch

OPEN = Trace(id="run", task="t", ingest_status=IngestStatus.PROCESSING)
DONE = Trace(id="run", task="t", ingest_status=IngestStatus.COMPLETED)
REVIEWED = Trace(id="run", task="t", ingest_status=IngestStatus.COMPLETED, review_status=ReviewStatus.REVIEWED)
FAILED = Trace(id="run", task="t", ingest_status=IngestStatus.FAILED, last_ingest_error="unreadable")


class Shelf:
    """A trace that others replace while it is waited for."""

    def __init__(self, watch: RunWatch):
        self.watch = watch
        self.trace: Trace | None = None
        self.looks = 0

    def look_up(self) -> Trace | None:
        self.looks += 1
        return self.trace

    def put(self, trace: Trace | None) -> None:
        self.trace = trace
        self.watch.publish("shop", "run")

    def changes(self, require_reviewed=False, timeout_seconds=10.0) -> TraceChanges:
        return TraceChanges(
            self.watch.subscribe("shop", "run"),
            self.look_up,
            require_reviewed=require_reviewed,
            timeout_seconds=timeout_seconds,
        )


def test_every_waiter_of_the_run_is_woken_and_no_other():
    watch = RunWatch()
    first, second, stranger = (watch.subscribe(p, r) for p, r in [("a", "run"), ("a", "run"), ("b", "run")])
    watch.publish("a", "run")
    assert first.wait(5)
    assert second.wait(5)
    assert not stranger.wait(0)


def test_a_change_between_subscribing_and_waiting_is_not_missed():
    watch = RunWatch()
    waiter = watch.subscribe("a", "run")
    watch.publish("a", "run")
    watch.publish("a", "run")
    assert waiter.wait(5)
    assert not waiter.wait(0)


def test_who_knows_only_the_trace_id_is_woken_by_it_and_later_by_the_run_id():
    watch = RunWatch()
    waiter = watch.subscribe("a", "0af7651916cd43dd8448eb211c80319c")
    watch.publish("a", "run", ["0af7651916cd43dd8448eb211c80319c"])
    assert waiter.wait(5)
    waiter.listen("a", "run")
    watch.publish("a", "run")
    assert waiter.wait(5)
    waiter.cancel()
    assert len(watch) == 0


def test_more_waiters_than_allowed_are_refused_and_freed_places_are_reused():
    watch = RunWatch(max_waiters=2)
    first = watch.subscribe("a", "run")
    watch.subscribe("a", "other")
    with pytest.raises(RateLimited):
        watch.subscribe("a", "third")
    first.cancel()
    first.cancel()
    assert len(watch) == 1
    watch.subscribe("a", "third")


def test_publishing_to_nobody_keeps_nothing():
    watch = RunWatch()
    for number in range(1000):
        watch.publish("a", f"run-{number}")
    assert vars(watch)["_waiters"] == {}


def test_cancelling_wakes_the_sleeper():
    watch = RunWatch()
    waiter = watch.subscribe("a", "run")
    results = []
    thread = threading.Thread(target=lambda: results.append(waiter.wait(30)))
    thread.start()
    waiter.cancel()
    thread.join(5)
    assert results == [False]


def test_closing_wakes_everyone_and_refuses_newcomers():
    watch = RunWatch()
    waiter = watch.subscribe("a", "run")
    watch.close()
    with pytest.raises(Unavailable):
        waiter.wait(5)
    with pytest.raises(Unavailable):
        watch.subscribe("a", "run")


def test_states_come_as_they_change_until_the_run_is_read():
    shelf = Shelf(RunWatch())
    states = iter(shelf.changes())
    shelf.put(OPEN)
    assert next(states) == OPEN
    shelf.put(DONE)
    assert list(states) == [DONE]
    assert len(shelf.watch) == 0


def test_waiting_for_a_review_goes_on_past_the_reading():
    shelf = Shelf(RunWatch())
    states = iter(shelf.changes(require_reviewed=True))
    shelf.put(DONE)
    assert next(states) == DONE
    shelf.put(REVIEWED)
    assert list(states) == [REVIEWED]


def test_a_failed_run_ends_the_wait():
    shelf = Shelf(RunWatch())
    shelf.trace = FAILED
    assert list(shelf.changes(require_reviewed=True)) == [FAILED]


def test_a_wait_that_takes_too_long_says_so_and_looked_once():
    shelf = Shelf(RunWatch())
    before = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        list(shelf.changes(timeout_seconds=0.2))
    assert time.monotonic() - before >= 0.2
    assert shelf.looks == 1
    assert len(shelf.watch) == 0


def test_a_run_deleted_during_the_wait_is_not_found():
    shelf = Shelf(RunWatch())
    shelf.trace = OPEN
    states = iter(shelf.changes())
    next(states)
    shelf.put(None)
    with pytest.raises(NotFound):
        next(states)


def test_a_cancelled_wait_ends_quietly():
    shelf = Shelf(RunWatch())
    changes = shelf.changes()
    changes.cancel()
    assert list(changes) == []
