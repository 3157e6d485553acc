"""The pipeline goes on when the store stumbles: what was acknowledged is stored, and every run is closed and read."""

import time

import pytest

from collector_plugin.pipeline import Pipeline
from reflect_otel.errors import StoreError
from reflect_otel.journal import Journal
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


@pytest.fixture
def store():
    return StumblingStore()


@pytest.fixture
def pipeline(store, tmp_path):
    journal = Journal(tmp_path / "journal")
    pipeline = Pipeline(
        journal,
        store,
        Settings(settle_seconds=0.05),
        store.find_settings,
        time.time_ns,
        lambda _project, _run, _traces: None,
        lambda: None,
    )
    pipeline.start()
    yield pipeline
    store.is_mended = True
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
