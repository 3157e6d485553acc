"""The use cases over the real learning loop and retriever: what callers get, and what is refused."""

import threading
from dataclasses import replace

import pytest

from reflect_otel.errors import DeadlineExceeded, IngestFailed, InvalidArgument, NotFound, RateLimited, Unavailable
from reflect_otel.learning.loop import MAX_TRIES
from reflect_otel.model.governance import Origin
from reflect_otel.model.memory import MemoryKind, RetrievalOptions
from reflect_otel.model.review import Review, ReviewResult, ReviewStatus
from reflect_otel.model.trace import IngestStatus, TraceDraft
from reflect_otel.model.trajectory import Message, Role, ToolCall, ToolResponse
from reflect_otel.testing.fakes import InMemoryIndex, InMemoryStore
from tests.unit.service.backend import CHAT, TASK, Backend

PASS = Review(result=ReviewResult.PASS, feedback="The refund went to the card that was charged.")
FAIL = Review(result=ReviewResult.FAIL, feedback="Refunds above 100 need a manager's approval first.")
OPTIONS = RetrievalOptions()
TRACE_ID = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")


class Untouchable(InMemoryStore):
    """A store that may not be touched while ``locked``."""

    locked = False

    def __getattribute__(self, name):
        assert not object.__getattribute__(self, "locked") or name == "locked", f"the database was touched: {name}"
        return object.__getattribute__(self, name)


class BrokenReflector:
    name = "broken"

    def reflect(self, lesson):
        raise TimeoutError("the model did not answer")


# --- before a run -----------------------------------------------------------------------------------------
def test_augment_serves_memories_and_notes_whom_they_went_to(backend):
    memory = backend.operations.create_memory("shop", task=TASK, reflection="Refund to the original card.")
    augmented = backend.operations.augment("shop", TASK, OPTIONS, run_id="run-7", trace_id=TRACE_ID)
    assert augmented.augmented_task.startswith(TASK)
    assert "Refund to the original card." in augmented.augmented_task
    (served,) = augmented.memories
    ((project_id, note),) = backend.intake.served
    assert (project_id, note.memory_id, note.rank) == ("shop", memory.id, 1)
    assert (note.run_id, note.trace_id, note.served_ns) == ("run-7", TRACE_ID, backend.clock())
    assert (note.similarity, note.utility, note.score) == (served.similarity, 0.5, served.score)


def test_augment_without_a_run_or_trace_notes_nothing(backend):
    backend.operations.create_memory("shop", task=TASK, reflection="Refund to the original card.")
    assert backend.operations.augment("shop", TASK, OPTIONS).memories
    assert backend.intake.served == []


def test_augment_and_query_touch_no_database():
    store = Untouchable()
    backend = Backend(store, InMemoryIndex)
    backend.operations.create_memory("shop", task=TASK, reflection="Refund to the original card.")
    backend.intake.held = True
    store.locked = True
    assert backend.operations.augment("shop", TASK, OPTIONS, run_id="run-7").memories
    assert backend.operations.query_memories("shop", TASK, OPTIONS)


def test_query_notes_nothing_as_served(backend):
    backend.operations.create_memory("shop", task=TASK, reflection="Refund to the original card.")
    assert len(backend.operations.query_memories("shop", TASK, OPTIONS)) == 1
    assert backend.intake.served == []


def test_memories_of_another_project_are_not_served(backend):
    backend.operations.create_memory("bank", task=TASK, reflection="Refund to the original card.")
    assert backend.operations.augment("shop", TASK, OPTIONS).augmented_task == TASK
    assert backend.operations.query_memories("shop", TASK, OPTIONS) == []


# --- create, get, review ----------------------------------------------------------------------------------
def test_a_created_trace_is_readable_though_it_was_not_committed_yet(backend):
    backend.intake.held = True
    run_id = backend.create_run(run_id="", model="m", metadata={"source": "cli"})
    trace = backend.operations.get_trace("shop", run_id)
    assert run_id == "id-1"
    assert trace.trajectory == (
        {"role": "user", "content": TASK},
        {"role": "assistant", "content": "I refunded the order to the card it was paid with."},
    )
    assert (trace.task, trace.model, trace.metadata) == (TASK, "m", {"source": "cli"})
    assert trace.final_response == "I refunded the order to the card it was paid with."
    assert (trace.review_status, trace.ingest_status) == ("pending", "completed")


def test_the_receipt_says_whether_a_review_has_to_be_learned_from(backend):
    draft = TraceDraft(run_id="a", task=TASK, messages=CHAT)
    assert backend.operations.create_trace("shop", draft).ingest_status == IngestStatus.COMPLETED
    reviewed = replace(draft, run_id="b", review=PASS)
    assert backend.operations.create_trace("shop", reviewed).ingest_status == IngestStatus.QUEUED


def test_the_same_run_created_twice_is_one_run_and_one_memory(backend):
    for _ in range(2):
        backend.create_run(review=FAIL)
        backend.loop.run_pending()
    assert len(backend.operations.list_traces("shop").items) == 1
    assert len(backend.operations.list_memories("shop").items) == 1


def test_the_answer_is_the_last_thing_the_assistant_said_unless_the_caller_says_otherwise(backend):
    closing = Message(role=Role.TOOL, tool_response=ToolResponse(id="c1", response="bye"))
    backend.create_run(run_id="run-1", messages=(*CHAT, Message(role=Role.ASSISTANT, content=None), closing))
    backend.create_run(run_id="run-2", final_response="Done.")
    backend.create_run(run_id="run-3", messages=())
    answers = [backend.operations.get_trace("shop", f"run-{number}").final_response for number in (1, 2, 3)]
    assert answers == ["I refunded the order to the card it was paid with.", "Done.", None]


def test_tool_calls_come_back_as_chat_messages(backend):
    call = ToolCall(id="c1", name="refund", arguments={"order": 1017})
    answer = ToolResponse(id="c1", name="refund", response={"ok": True})
    messages = (
        Message(role=Role.ASSISTANT, tool_calls=(call,)),
        Message(role=Role.TOOL, tool_response=answer),
        Message(role=Role.ASSISTANT, content="done"),
    )
    backend.create_run(messages=messages)
    function = {"name": "refund", "arguments": '{"order":1017}'}
    assert backend.operations.get_trace("shop", "run-1").trajectory[:2] == (
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "content": '{"ok":true}', "tool_call_id": "c1", "name": "refund"},
    )


def test_a_review_is_learned_from_before_it_returns_and_its_memory_is_served(backend):
    backend.create_run()
    trace = backend.operations.review_trace("shop", "run-1", FAIL)
    assert (trace.review_status, trace.ingest_status) == ("reviewed", "completed")
    assert trace.review.feedback == FAIL.feedback
    assert trace.review.created_ns == backend.clock()
    memory = backend.operations.get_memory("shop", trace.created_memory_id)
    assert (memory.kind, memory.created_from, memory.utility) == (MemoryKind.PITFALL, "run-1", 0.5)
    served = backend.operations.augment("shop", "Refund order 2044, it arrived broken", OPTIONS)
    assert [item.id for item in served.memories] == [memory.id]


def test_the_same_review_again_changes_nothing(backend):
    backend.create_run()
    first = backend.operations.review_trace("shop", "run-1", FAIL)
    backend.clock.advance(60)
    assert backend.operations.review_trace("shop", "run-1", FAIL) == first
    assert len(backend.operations.list_memories("shop").items) == 1


def test_an_open_run_is_closed_by_its_review(backend):
    backend.intake.open_run("shop", "run-1")
    assert backend.operations.get_trace("shop", "run-1").ingest_status == "processing"
    trace = backend.operations.review_trace("shop", "01" * 16, FAIL)
    assert (trace.id, trace.closed_by, trace.review_status) == ("run-1", "explicit_end", "reviewed")


def test_a_run_of_another_project_does_not_exist(backend):
    backend.create_run(project_id="bank")
    for read in (
        lambda: backend.operations.get_trace("shop", "run-1"),
        lambda: backend.operations.review_trace("shop", "run-1", PASS),
    ):
        with pytest.raises(NotFound) as missing:
            read()
        assert (missing.value.resource_type, missing.value.resource_name) == ("run", "run-1")
    assert backend.operations.delete_traces("shop", ["run-1"]) == 0
    assert backend.operations.list_traces("shop").items == ()
    assert backend.operations.get_trace("bank", "run-1").id == "run-1"


def test_a_review_whose_learning_takes_too_long_is_stored_and_says_so():
    backend = Backend(InMemoryStore(), InMemoryIndex, BrokenReflector())
    backend.create_run()
    backend.loop.start()
    with pytest.raises(DeadlineExceeded, match=r"stored and its learning goes on.*the model did not answer"):
        backend.operations.review_trace("shop", "run-1", FAIL, timeout_seconds=0.3)
    trace = backend.operations.get_trace("shop", "run-1")
    assert (trace.ingest_status, trace.ingest_attempts, trace.review.result) == ("processing", 1, "fail")
    assert "the model did not answer" in trace.last_ingest_error
    backend.loop.stop(5)


def test_a_trace_fails_once_every_try_to_learn_from_it_has_failed():
    backend = Backend(InMemoryStore(), InMemoryIndex, BrokenReflector())
    backend.create_run(review=FAIL)
    for _ in range(MAX_TRIES):
        assert backend.operations.get_trace("shop", "run-1").ingest_status == "processing"
        backend.loop.run_pending()
        backend.clock.advance(120)
    trace = backend.operations.get_trace("shop", "run-1")
    assert (trace.ingest_status, trace.review_status, trace.ingest_attempts) == ("failed", "pending", MAX_TRIES)
    assert list(backend.operations.watch_trace("shop", "run-1", require_reviewed=True)) == [trace]
    with pytest.raises(IngestFailed, match="the model did not answer"):
        backend.operations.review_trace("shop", "run-1", FAIL)


def test_a_run_that_could_not_be_read_has_failed(backend):
    backend.create_run()
    record = replace(backend.store.find_run("shop", "run-1").record, last_error="ValueError: odd spans")
    backend.store.write_runs([(record, None)])
    trace = backend.operations.get_trace("shop", "run-1")
    assert (trace.ingest_status, trace.last_ingest_error) == ("failed", "ValueError: odd spans")


# --- lists ------------------------------------------------------------------------------------------------
def test_traces_are_listed_newest_first_page_by_page(backend):
    names = [backend.create_run(run_id=f"run-{number}") for number in range(5)]
    token, pages = "", []
    while token or not pages:
        page = backend.operations.list_traces("shop", page_size=2, page_token=token)
        pages.append([trace.id for trace in page.items])
        assert all(trace.trajectory == () for trace in page.items)
        token = page.next_page_token
    assert pages == [names[4:2:-1], names[2:0:-1], names[:1]]


def test_a_run_that_arrives_between_two_pages_shifts_nothing(backend):
    for number in range(4):
        backend.create_run(run_id=f"run-{number}")
    first = backend.operations.list_traces("shop", page_size=2)
    backend.create_run(run_id="run-new")
    second = backend.operations.list_traces("shop", page_size=2, page_token=first.next_page_token)
    assert [trace.id for trace in second.items] == ["run-1", "run-0"]


def test_traces_are_filtered_by_review_status_and_just_created_ones_are_listed(backend):
    backend.create_run(run_id="run-1")
    backend.operations.review_trace("shop", "run-1", PASS)
    backend.intake.held = True
    backend.create_run(run_id="run-2")

    def ids(status):
        return [trace.id for trace in backend.operations.list_traces("shop", review_status=status).items]

    assert ids(ReviewStatus.PENDING) == ["run-2"]
    assert ids(ReviewStatus.REVIEWED) == ["run-1"]
    assert ids(None) == ["run-2", "run-1"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda operations, run: operations.get_trace("shop", run),
        lambda operations, run: operations.review_trace("shop", run, PASS),
        lambda operations, run: operations.withdraw_review("shop", run, PASS.key),
        lambda operations, run: operations.delete_traces("shop", [run]),
        lambda operations, run: operations.sessions.get_session("shop", "conv"),
        lambda operations, run: operations.sessions.get_trajectory("shop", trace_id=run),
    ],
    ids=["get", "review", "withdraw", "delete", "session", "trajectory"],
)
def test_a_run_that_was_accepted_and_is_not_processed_yet_is_never_called_unknown(backend, ask):
    backend.intake.held = backend.intake.behind = True
    backend.create_run(session_id="conv", review=PASS)
    with pytest.raises(Unavailable, match="try again") as caught:
        ask(backend.operations, "run-1")
    assert caught.value.retry_after_seconds
    backend.intake.behind = False
    assert ask(backend.operations, "run-1")


def test_a_review_that_was_accepted_with_telemetry_and_is_not_processed_yet_is_never_called_unknown(backend):
    backend.create_run()
    backend.intake.held = backend.intake.behind = True
    backend.create_run(review=PASS)
    with pytest.raises(Unavailable, match="try again"):
        backend.operations.withdraw_review("shop", "run-1", PASS.key)
    backend.intake.behind = False
    assert backend.operations.withdraw_review("shop", "run-1", PASS.key).reviews == ()


def test_a_page_token_of_another_filter_is_refused(backend):
    for number in range(3):
        backend.create_run(run_id=f"run-{number}")
    token = backend.operations.list_traces("shop", page_size=1).next_page_token
    for other in (
        lambda: backend.operations.list_traces("shop", page_token=token, agent="other"),
        lambda: backend.operations.list_traces("bank", page_token=token),
        lambda: backend.operations.list_memories("shop", page_token=token),
    ):
        with pytest.raises(InvalidArgument, match="another list or filter"):
            other()


def test_deleted_traces_are_gone_and_their_memories_stay(backend):
    backend.create_run()
    memory_id = backend.operations.review_trace("shop", "run-1", FAIL).created_memory_id
    assert backend.operations.delete_traces("shop", ["run-1", "run-1", "unknown"]) == 1
    with pytest.raises(NotFound):
        backend.operations.get_trace("shop", "run-1")
    assert backend.operations.get_memory("shop", memory_id).id == memory_id


def test_a_trace_that_is_deleted_right_after_it_was_created_does_not_come_back(backend):
    backend.intake.held = True
    backend.create_run()
    assert backend.operations.delete_traces("shop", ["run-1"]) == 1
    assert backend.operations.list_traces("shop").items == ()


# --- memories ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "success", "expected"),
    [
        (None, None, MemoryKind.STRATEGY),
        (None, True, MemoryKind.STRATEGY),
        (None, False, MemoryKind.PITFALL),
        (MemoryKind.CONTRAST, False, MemoryKind.CONTRAST),
    ],
)
def test_a_memory_written_by_hand_gets_the_kind_that_fits(backend, kind, success, expected):
    memory = backend.operations.create_memory("shop", task=TASK, reflection="r", kind=kind, success=success)
    assert memory.kind is expected
    assert backend.operations.get_memory("shop", memory.id) == memory
    with pytest.raises(NotFound):
        backend.operations.get_memory("bank", memory.id)


def test_memories_are_listed_newest_first_page_by_page(backend):
    names = []
    for number in range(3):
        backend.clock.advance(1)
        names.append(backend.operations.create_memory("shop", task=TASK, reflection=f"lesson {number}").id)
    first = backend.operations.list_memories("shop", page_size=2)
    second = backend.operations.list_memories("shop", page_size=2, page_token=first.next_page_token)
    assert [memory.id for memory in (*first.items, *second.items)] == names[::-1]
    assert second.next_page_token == ""


def test_only_memories_that_match_the_metadata_filter_are_found(backend):
    backend.operations.create_memory("shop", task=TASK, reflection="a", metadata={"team": "x"})
    backend.operations.create_memory("shop", task=TASK, reflection="b", metadata={"team": "y"})
    found = backend.operations.query_memories("shop", TASK, RetrievalOptions(metadata_filter={"team": "y"}))
    assert [memory.reflection for memory in found] == ["b"]


# --- waiting ----------------------------------------------------------------------------------------------
def test_waiting_follows_a_run_from_before_it_exists_to_its_memory(backend):
    states = iter(backend.operations.watch_trace("shop", "01" * 16, require_reviewed=True, timeout_seconds=20))
    backend.loop.start()
    backend.intake.open_run("shop", "run-1")
    assert next(states).ingest_status == "processing"
    reviewing = threading.Thread(target=backend.operations.review_trace, args=("shop", "run-1", FAIL))
    reviewing.start()
    last = list(states)[-1]
    reviewing.join(10)
    assert (last.id, last.review_status, last.created_memory_id is not None) == ("run-1", "reviewed", True)
    assert len(backend.watch) == 0


def test_too_many_waiters_are_refused(backend):
    waiting = [backend.operations.watch_trace("shop", f"run-{number}") for number in range(4)]
    with pytest.raises(RateLimited):
        backend.operations.watch_trace("shop", "one too many")
    for changes in waiting:
        changes.cancel()
    assert len(backend.watch) == 0


# --- bad input --------------------------------------------------------------------------------------------
def draft(**fields):
    return TraceDraft(**{"run_id": "run-1", "task": TASK, "messages": CHAT, **fields})


def review(**fields):
    return Review(result=ReviewResult.PASS, **fields)


REFUSED = {
    "blank task": ("task", lambda do: do.augment("shop", " \n", OPTIONS)),
    "task of a megabyte": ("task", lambda do: do.augment("shop", "x" * 1_000_000, OPTIONS)),
    "task counted in bytes": ("task", lambda do: do.query_memories("shop", "ä" * 200_000, OPTIONS)),
    "task with a surrogate": ("task", lambda do: do.query_memories("shop", "\ud800", OPTIONS)),
    "limit 0": ("options.limit", lambda do: do.augment("shop", TASK, RetrievalOptions(limit=0))),
    "limit 101": ("options.limit", lambda do: do.query_memories("shop", TASK, RetrievalOptions(limit=101))),
    "lambda 1.1": ("options.lambda", lambda do: do.augment("shop", TASK, RetrievalOptions(lambda_=1.1))),
    "lambda NaN": ("options.lambda", lambda do: do.augment("shop", TASK, RetrievalOptions(lambda_=float("nan")))),
    "run id too long": ("run_id", lambda do: do.augment("shop", TASK, OPTIONS, run_id="x" * 201)),
    "no task": ("task", lambda do: do.create_trace("shop", draft(task=""))),
    "trace id too long": ("trace_id", lambda do: do.create_trace("shop", draft(run_id="x" * 201))),
    "control character": ("trace_id", lambda do: do.create_trace("shop", draft(run_id="a\x00b"))),
    "too many messages": ("trajectory", lambda do: do.create_trace("shop", draft(messages=CHAT * 5001))),
    "metadata pairs": (
        "metadata",
        lambda do: do.create_trace("shop", draft(metadata=dict.fromkeys(map(str, range(65)), "x"))),
    ),
    "metadata bytes": ("metadata", lambda do: do.create_trace("shop", draft(metadata={"k": "x" * 70_000}))),
    "metadata key": ("metadata key", lambda do: do.create_trace("shop", draft(metadata={"": "x"}))),
    "memory id": (
        "retrieved_memory_ids[1]",
        lambda do: do.create_trace("shop", draft(retrieved_memory_ids=("a", ""))),
    ),
    "inline score": ("review.score", lambda do: do.create_trace("shop", draft(review=review(score=2.0)))),
    "score NaN": ("review.score", lambda do: do.review_trace("shop", "run-1", review(score=float("nan")))),
    "alpha 0": ("review.alpha", lambda do: do.review_trace("shop", "run-1", review(alpha=0.0))),
    "alpha NaN": ("review.alpha", lambda do: do.review_trace("shop", "run-1", review(alpha=float("nan")))),
    "feedback": ("review.feedback", lambda do: do.review_trace("shop", "run-1", review(feedback="x" * 70_000))),
    "get without id": ("trace_id", lambda do: do.get_trace("shop", "")),
    "watch without id": ("trace_id", lambda do: do.watch_trace("shop", "")),
    "delete too many": ("trace_ids", lambda do: do.delete_traces("shop", list(map(str, range(1001))))),
    "page size": ("page_size", lambda do: do.list_traces("shop", page_size=1001)),
    "negative page size": ("page_size", lambda do: do.list_memories("shop", page_size=-1)),
    "page token": ("page_token", lambda do: do.list_memories("shop", page_token="nonsense")),  # noqa: S106 - no password
    "no reflection": ("reflection", lambda do: do.create_memory("shop", task=TASK, reflection="")),
    "long reflection": ("reflection", lambda do: do.create_memory("shop", task=TASK, reflection="x" * 17_000)),
    "memory without id": ("memory_id", lambda do: do.get_memory("shop", "")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_with_its_field_and_nothing_is_stored(empty_backend, case):
    field, attempt = REFUSED[case]
    with pytest.raises(InvalidArgument) as refusal:
        attempt(empty_backend.operations)
    assert refusal.value.field == field
    assert len(str(refusal.value)) < 400
    assert empty_backend.operations.list_traces("shop").items == ()
    assert empty_backend.operations.list_memories("shop").items == ()
    assert len(empty_backend.watch) == 0


class MeddledStore(InMemoryStore):
    """Right behind the commit of a memory somebody else acts; waits for that for a moment."""

    meddle = None

    def write_memory(self, project_id, stored):
        super().write_memory(project_id, stored)
        self.meddler = threading.Thread(target=self.meddle)
        self.meddler.start()
        self.meddler.join(0.3)


def test_a_memory_that_is_quarantined_as_soon_as_it_is_stored_is_not_served():
    store = MeddledStore()
    operations = Backend(store, InMemoryIndex).operations
    store.meddle = lambda: operations.governance.create_quarantine("shop", Origin(since_ns=1))
    memory = operations.create_memory("shop", task=TASK, reflection="Ask for a photo first.")
    store.meddler.join(20)
    assert operations.get_memory("shop", memory.id).status == "quarantined"
    assert operations.query_memories("shop", TASK, RetrievalOptions()) == []
