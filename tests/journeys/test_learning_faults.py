"""Faults of learning against a real service: models and embedders in trouble, budgets, reviewers at odds, SIGKILL."""

import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from collector_plugin.engine import Engine
from collector_plugin.settings import EngineOptions
from reflect_otel import FailedPrecondition, IngestFailed, ReflectClient, Unavailable
from reflect_otel.errors import DeadlineExceeded
from reflect_otel.model.memory import RetrievalOptions
from reflect_otel.wire.v1 import reflect_pb2 as wire
from tests.scripted_embeddings import ScriptedEmbeddings
from tests.scripted_llm import HANG_UP, ScriptedLLM, error, held, text

from .scripted_lesson import lesson
from .service_process import wait_for
from .telemetry import OtlpSender, agent_run, trace_request

TASK = "Refund the damaged coffee order"
QUEUED = 150
REVIEWERS = 120
CHAT = [{"role": "user", "content": TASK}, {"role": "assistant", "content": "Done."}]
GARBAGE = "<<garbage-canary>>"


def send(service, *, task=TASK, count=1):
    """Failed runs by plain OTLP; their ids."""
    sender = OtlpSender(service.grpc_address)
    run_ids = []
    for number in range(count):
        spans = agent_run(f"{task} {number}" if count > 1 else task, "Done.", root={"reflect.review.result": "fail"})
        sender.send(trace_request(spans))
        run_ids.append(spans[0].trace_id.hex())
    sender.close()
    return run_ids


def client_of(service):
    return ReflectClient(service.url, augment_timeout=30)


# --- L1: the model's endpoint in trouble ------------------------------------------------------------------


def test_l1_tries_are_spaced_survive_a_kill_and_end_in_one_memory(start):
    asked = []

    def recover_after(request):
        asked.append(time.monotonic())
        faults = (error(429, "slow down", retry_after="2"), error(500, "oops"), HANG_UP)
        return faults[len(asked) - 1] if len(asked) <= len(faults) else lesson(request)

    with ScriptedLLM(recover_after) as llm:
        service = start(llm)
        (run_id,) = send(service)
        with client_of(service) as client:
            wait_for(lambda: client.get_trace(run_id).last_ingest_error or "", lambda told: "500" in told)
            assert client.get_trace(run_id).review.result == "fail"
            assert client.augment_with_memories(TASK).augmented_task == TASK
        assert 2.0 <= asked[1] - asked[0] < 10.0  # as the endpoint asked
        service.kill()
        service.start()
        with client_of(service) as client:
            learned = client.wait_for_trace(run_id, require_reviewed=True)
            assert (learned.reflector, learned.last_ingest_error) == ("openai gpt-test", None)
            assert [memory.id for memory in client.list_memories()] == [learned.created_memory_id]
    assert len(asked) == 4


def test_l1_a_hanging_endpoint_holds_up_neither_agents_nor_telemetry(start):
    never = threading.Event()
    with ScriptedLLM(lambda request: held(never, lesson(request))) as llm:
        service = start(llm, "--model-timeout-seconds", "1")
        (run_id,) = send(service)
        wait_for(lambda: llm.requests, bool)
        with client_of(service) as client:
            by_hand = client.create_memory(TASK, "Ask for a photo first.")
            assert client.augment_with_memories(TASK).memories[0].id == by_hand.id
            more = send(service, count=20)
            wait_for(lambda: len(client.list_traces()), lambda found: found == 1 + len(more))
            told = wait_for(lambda: client.get_trace(run_id).last_ingest_error, bool)
        never.set()
        assert "did not answer in time" in told


# --- L2: garbage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "garbage",
    ["", f"Sure! {GARBAGE}", f'{{"kind": 7, "do": ["{GARBAGE}"]}}', f'{{"do": "{GARBAGE}', GARBAGE * 60_000],
)
def test_l2_no_unparsed_text_becomes_a_memory(start, garbage):
    with ScriptedLLM([text(garbage)]) as llm:
        service = start(llm)
        (run_id,) = send(service)
        with client_of(service) as client:
            trace = client.wait_for_trace(run_id, require_reviewed=True)
            assert "its answer could not be used" in trace.reflection_note
            memories = client.list_memories()
        assert len(llm.requests) == 2  # the question and one repair
    assert [memory.reflector for memory in memories] == ["offline"]
    assert GARBAGE[2:-2] not in str(memories)


# --- L3: a queue behind an endpoint that is down ----------------------------------------------------------


def test_l3_a_queue_outlives_the_outage_and_a_kill_and_is_drained_once(start):
    healthy = threading.Event()
    asked_while_down = []

    def answer(request):
        if healthy.is_set():
            return lesson(request)
        asked_while_down.append(request)
        return error(503, "down")

    with ScriptedLLM(answer) as llm:
        service = start(llm)
        run_ids = send(service, count=QUEUED)
        with client_of(service) as client:
            wait_for(lambda: client.get_trace(run_ids[0]).last_ingest_error, bool)
        service.kill()
        service.start()
        wait_for(lambda: len(asked_while_down), lambda count: count >= 2)
        healthy.set()
        with client_of(service) as client:
            wait_for(lambda: client.list_traces(review_status="pending"), lambda left: not left, 120)
            drawn = Counter(memory.created_from for memory in client.list_memories())
            reflectors = {memory.reflector for memory in client.list_memories()}
    assert drawn == Counter(run_ids)
    assert reflectors == {"openai gpt-test"}
    assert len(asked_while_down) < 10


# --- L4: the ceiling --------------------------------------------------------------------------------------


def test_l4_a_ceiling_holds_before_the_call_over_a_kill_and_for_one_project_only(start):
    with ScriptedLLM(lesson) as llm:
        service = start(llm, "--model-price", "1000:1000")
        with client_of(service) as client, ReflectClient(service.url, project_id="other") as other:
            first = client.create_trace_and_wait(TASK, CHAT, review_result="fail", feedback_text="It was late.")
            assert first.reflector == "openai gpt-test"
            client.update_project_settings(spend_ceiling_usd=1.0)
            service.kill()
            service.start()
            calls = len(llm.requests)
        with ReflectClient(service.url) as client, ReflectClient(service.url, project_id="other") as other:
            second = client.create_trace_and_wait(TASK, CHAT, review_result="fail", feedback_text="It was rude.")
            assert (second.reflector, len(llm.requests)) == ("offline", calls)
            assert "budget of 1 USD" in second.reflection_note
            free = other.create_trace_and_wait(TASK, CHAT, review_result="fail", feedback_text="It was late.")
            assert free.reflector == "openai gpt-test"


# --- L5: the embedder in trouble --------------------------------------------------------------------------


def test_l5_what_is_learned_without_an_embedder_is_found_after_a_kill_and_other_dimensions_are_refused(
    start_service, tmp_path, monkeypatch
):
    with ScriptedEmbeddings() as endpoint:
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        service = start_service(tmp_path / "data", "--settle-seconds", "0.1")
        endpoint.faults = [503] * 1000
        with client_of(service) as client:
            learned = [
                client.create_trace_and_wait(TASK, CHAT, review_result="fail", feedback_text=f"Ask {who} first.")
                for who in ("the customer which order is meant", "a manager about large sums of money")
            ]
            assert [trace.review_status for trace in learned] == ["reviewed", "reviewed"]
            assert client.augment_with_memories(TASK).augmented_task == TASK
        status = service.status()
        assert (status["memories"], status["memories_embedded"]) == (2, 0)
        service.kill()
        endpoint.faults = []
        service.start()
        wait_for(service.status, lambda status: status["memories_embedded"] == 2)
        with client_of(service) as client:
            found = client.query_memories(TASK, similarity_threshold=-1.0)
            assert {memory.created_from for memory in found} == {trace.id for trace in learned}

            endpoint.faults = [with_two_dimensions]
            with pytest.raises(FailedPrecondition, match="REFLECT_EMBEDDING_DIMENSIONS"):
                client.create_memory("Another task", "Another lesson.")
            assert len(client.list_memories()) == 2


def with_two_dimensions(body):
    return {**body, "data": [{**item, "embedding": [0.6, 0.8]} for item in body["data"]]}


# --- L6: reviewers at odds --------------------------------------------------------------------------------


def test_l6_reviewers_at_once_each_have_their_say_and_the_last_word_counts(service):
    with client_of(service) as client:
        memory = client.create_memory(TASK, "Ask for a photo first.")
        run_id = client.create_trace(TASK, CHAT, retrieved_memory_ids=[memory.id]).id
        words = [("ada", "pass"), ("bob", "fail"), ("ada", "fail"), ("bob", "pass"), ("ada", "pass"), ("bob", "fail")]
        with ThreadPoolExecutor(2) as pool:
            for who in ("ada", "bob"):
                pool.submit(say, client, run_id, who, [result for name, result in words if name == who])
        assert read_ledger(client, memory.id) == {run_id: 0.5}  # ada passed it, bob failed it
        client.withdraw_review(run_id, identifier="bob")
        assert read_ledger(client, memory.id) == {run_id: 1.0}
        client.withdraw_review(run_id, identifier="ada")
        untouched = client.get_memory(memory.id)
        assert (untouched.utility, untouched.uses, read_ledger(client, memory.id)) == (0.5, 0, {})


def say(client, run_id, who, results):
    for result in results:
        client.review_trace(run_id, result=result, identifier=who)


def test_l6_reviews_that_change_and_go_through_kills_leave_the_ledger_of_those_that_stand(service):
    chance = random.Random(6)
    with client_of(service) as client:
        memory_id = client.create_memory(TASK, "Ask for a photo first.").id
        run_ids = [client.create_trace(TASK, CHAT, retrieved_memory_ids=[memory_id]).id for _ in range(6)]
    for _ in range(4):
        reviewer = threading.Thread(
            target=review_until_killed, args=(service.url, run_ids, random.Random(chance.random()))
        )
        reviewer.start()
        killer = threading.Timer(chance.uniform(0.1, 0.8), service.kill)
        killer.start()
        reviewer.join(60)
        killer.join()
        service.start()
    with client_of(service) as client:
        traces = wait_for(
            lambda: [client.get_trace(run_id) for run_id in run_ids],
            lambda traces: all(trace.ingest_status == "completed" for trace in traces),
        )
        standing = {trace.id: float(trace.review.result == "pass") for trace in traces if trace.review is not None}
        assert wait_for(lambda: read_ledger(client, memory_id), lambda ledger: ledger == standing) == standing
        assert client.get_memory(memory_id).uses == len(standing)


def review_until_killed(url, run_ids, chance):
    with ReflectClient(url, timeout=5) as client:
        try:
            while True:
                run_id = chance.choice(run_ids)
                if chance.random() < 0.3 and client.get_trace(run_id).review is not None:
                    client.withdraw_review(run_id)
                else:
                    client.review_trace(run_id, result=chance.choice(["pass", "fail"]))
        except (Unavailable, DeadlineExceeded, IngestFailed):
            return


def read_ledger(client, memory_id):
    """The reward of each run, after a look at whether the steps lead from one utility to the next."""
    history = client.get_memory_history(memory_id)
    utility = 0.5
    for entry in reversed(history.entries):
        assert entry.before == pytest.approx(utility)
        utility = entry.before + entry.step * (entry.reward - entry.before)
        assert entry.after == pytest.approx(utility)
    assert history.memory.utility == pytest.approx(utility)
    return {entry.run_id: entry.reward for entry in history.entries}


# --- L7: agents do not wait -------------------------------------------------------------------------------


def test_l7_a_service_that_stands_still_costs_an_agent_its_deadline_and_nothing_else(service):
    with ReflectClient(service.url) as client:
        client.create_memory(TASK, "Ask for a photo first.")
        wait_for(lambda: client.augment_with_memories(TASK).memories, bool)
        service.process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            stopped = [client.augment_with_memories(TASK) for _ in range(5)]
            seconds = time.monotonic() - began
        finally:
            service.process.send_signal(signal.SIGCONT)
        assert [(found.augmented_task, found.degraded, found.memories) for found in stopped] == [(TASK, True, ())] * 5
        assert seconds < 5 * 0.3 + 2.0
        wait_for(lambda: client.augment_with_memories(TASK).memories, bool)


def test_l7_agents_do_not_wait_behind_any_number_of_reviewers(start):
    """More callers than the server has threads wait for learning, which waits for a model."""
    free = threading.Event()
    with ScriptedLLM(lambda request: held(free, lesson(request))) as llm:
        service = start(llm, "--model-timeout-seconds", "60")
        with client_of(service) as client, grpc.insecure_channel(service.grpc_address) as channel:
            client.create_memory(TASK, "Ask for a photo first.")
            run_id = client.create_trace(task=TASK, trajectory=CHAT, final_response="Done.").id
            review = channel.unary_unary("/reflect.v1.ReflectService/ReviewTrace")
            calls = []
            for number in range(REVIEWERS):
                verdict = wire.Review(result=wire.REVIEW_RESULT_FAIL, identifier=f"reviewer {number}")
                request = wire.ReviewTraceRequest(trace_id=run_id, review=verdict)
                calls.append(review.future(request.SerializeToString(), timeout=60))
            wait_for(lambda: len(client.get_trace(run_id).reviews), lambda count: count >= 20)
            try:
                send(service, task="Book a table")
                assert client.augment_with_memories(TASK).memories
            finally:
                free.set()
            assert all(call.result() for call in calls)


def test_l7_an_augmentation_does_not_wait_for_the_database(tmp_path):
    """A transaction stays open all the while; what is noted of the serving is written after it."""
    engine = Engine(EngineOptions(data_dir=tmp_path / "data", embedder="hashing"))
    engine.start()
    try:
        engine.operations.create_memory("p", task=TASK, reflection="Ask for a photo first.")
        with engine._store._database.write():
            found = in_thread(lambda: engine.operations.augment("p", TASK, RetrievalOptions(), run_id="r"))
        assert len(found.memories) == 1
        assert engine.pipeline.wait_committed(20)
        assert engine._store.find_runs_served("p", [found.memories[0].id])
    finally:
        engine.stop(5)


def in_thread(work, seconds=20.0):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(seconds)
