"""The pipeline goes on when the store stumbles: what was acknowledged is stored, and every run is closed and read."""

import time

import pytest

from collector_plugin.pipeline import Pipeline
from collector_plugin.set_aside import SetAside
from reflect_otel.errors import StoreError, StoreRefused
from reflect_otel.journal import Journal, JournalRecord
from reflect_otel.model.project_settings import DEFAULTS
from reflect_otel.model.spans import RunState
from reflect_otel.model.trace import TraceDraft
from reflect_otel.model.trajectory import Message, Role
from reflect_otel.ports import Settings
from reflect_otel.testing.in_memory_store import InMemoryStore
from tests.waiting import wait_until

CHAT = (Message(role=Role.USER, content="Cancel my order"), Message(role=Role.ASSISTANT, content="Done."))


class StumblingStore(InMemoryStore):
    """Refuses to store read runs until it is mended."""

    def __init__(self):
        super().__init__()
        self.refused = 0
        self.is_mended = False
        self.odd_projects = {"odd"}

    def find_settings(self, project_id):
        if project_id in self.odd_projects:
            self.odd_projects.remove(project_id)
            raise TypeError("unhashable type: 'list'")
        return DEFAULTS

    def write_runs(self, read):
        if not self.is_mended:
            self.refused += 1
            raise StoreError("no space left on the disk")
        super().write_runs(read)


class PickyStore(InMemoryStore):
    """Can never hold spans of the project ``poison`` and a conversation, or a closed row, of some runs."""

    def write_telemetry(self, batch):
        if any(project_id == "poison" for project_id, _ in batch.spans):
            raise StoreRefused("the value is out of range")
        super().write_telemetry(batch)

    def write_runs(self, read):
        for record, trajectory in read:
            if record.run_id == "unclosable" or (record.run_id == "unreadable" and trajectory is not None):
                raise StoreRefused("the value is out of range")
        super().write_runs(read)


@pytest.fixture
def store():
    return StumblingStore()


def build_pipeline(journal, store, tmp_path, find_settings=lambda _project: DEFAULTS):
    return Pipeline(
        journal,
        store,
        Settings(settle_seconds=0.05),
        find_settings,
        time.time_ns,
        lambda _project, _run, _traces: None,
        lambda: None,
        SetAside(tmp_path / "set-aside"),
    )


@pytest.fixture
def pipeline(store, tmp_path):
    journal = Journal(tmp_path / "journal")
    pipeline = build_pipeline(journal, store, tmp_path, store.find_settings)
    pipeline.start()
    yield pipeline
    store.is_mended = True
    pipeline.stop(20)
    journal.close()


@pytest.fixture
def picky(tmp_path):
    """A pipeline that has not begun, so that what it is given comes to it at once."""
    journal = Journal(tmp_path / "journal")
    store = PickyStore()
    pipeline = build_pipeline(journal, store, tmp_path)
    yield pipeline, store
    pipeline.stop(20)
    journal.close()


def draft(run_id, **facts):
    return TraceDraft(run_id=run_id, task="Cancel my order", messages=CHAT, **facts)


@pytest.mark.parametrize("spans_follow", [False, True], ids=["came whole", "waits for its spans"])
def test_a_run_that_could_not_be_stored_is_closed_once_the_store_is_mended(pipeline, store, spans_follow):
    pipeline.submit_trace("p", draft("r", spans_follow=spans_follow))
    wait_until(lambda: store.refused, 20)
    store.is_mended = True
    assert pipeline.wait_closed(20)
    detail = store.find_run("p", "r")
    assert (detail.record.state, detail.record.span_count) == (RunState.CLOSED, 1)
    assert store.get_trajectory("p", "r").final_response == "Done."


def test_a_run_that_could_not_be_closed_by_a_call_is_closed_later(pipeline, store):
    pipeline.submit_trace("p", draft("r", spans_follow=True))
    assert wait_until(lambda: store.find_run("p", "r"), 20)
    with pytest.raises(StoreError):
        pipeline.close_run("p", "r")
    store.is_mended = True
    assert pipeline.wait_closed(20)
    assert store.find_run("p", "r").record.state is RunState.CLOSED


def test_what_cannot_be_taken_into_a_run_is_stored_and_holds_up_nothing(pipeline, store):
    """Whatever it is that a sender has thought of: here the first question about its project fails."""
    store.is_mended = True
    pipeline.submit_trace("odd", draft("r", spans_follow=True))
    pipeline.submit_trace("p", draft("r"))
    assert pipeline.wait_committed(20)
    assert store.count_spans() == 2
    assert store.get_trajectory("p", "r").final_response == "Done."


def test_a_request_that_can_never_be_stored_is_set_aside_and_holds_up_nothing(picky, tmp_path):
    pipeline, store = picky
    for project_id, run_id in (("p", "before"), ("poison", "r"), ("p", "behind")):
        pipeline.submit_trace(project_id, draft(run_id))
    pipeline.start()
    assert pipeline.wait_committed(20)
    for run_id in ("before", "behind"):
        detail = store.find_run("p", run_id)
        assert (detail.record.state, detail.record.span_count) == (RunState.CLOSED, 1)
        assert store.get_trajectory("p", run_id).final_response == "Done."
    assert store.find_run("poison", "r") is None
    assert (pipeline.pending_records, pipeline.failure, pipeline.set_aside_requests) == (0, "", 1)
    (kept,) = (tmp_path / "set-aside").iterdir()
    assert b"Cancel my order" in kept.read_bytes()
    assert SetAside(tmp_path / "set-aside").count == 1


def test_what_is_set_aside_is_bounded_and_counted_all_the_same(tmp_path):
    aside = SetAside(tmp_path / "set-aside", max_bytes=8)
    for sequence in (1, 2, 2, 3):
        aside.keep(JournalRecord(sequence, 1, "p", 0, b"12345"), StoreRefused("too long"))
    assert len(list((tmp_path / "set-aside").iterdir())) == 1
    assert aside.count == 3


def test_a_record_that_cannot_be_read_is_set_aside(tmp_path):
    journal, store = Journal(tmp_path / "journal"), InMemoryStore()
    pipeline = build_pipeline(journal, store, tmp_path)
    journal.append(1, "p", 0, b"no request")
    pipeline.submit_trace("p", draft("r"))
    pipeline.start()
    try:
        assert pipeline.wait_committed(20)
        assert pipeline.set_aside_requests == 1
        assert store.get_trajectory("p", "r").final_response == "Done."
    finally:
        pipeline.stop(20)
        journal.close()


def test_a_run_that_can_never_be_closed_holds_up_no_other(picky):
    pipeline, store = picky
    for run_id in ("one", "unclosable", "unreadable", "other"):
        pipeline.submit_trace("p", draft(run_id))
    pipeline.start()
    assert pipeline.wait_closed(20)
    for run_id in ("one", "other"):
        assert store.get_trajectory("p", run_id).final_response == "Done."
    bare = store.find_run("p", "unreadable").record
    assert (bare.state, bare.last_error) == (RunState.CLOSED, "StoreRefused: the value is out of range")
    assert store.find_run("p", "unclosable").record.state is not RunState.CLOSED
