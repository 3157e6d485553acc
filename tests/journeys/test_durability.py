"""Nothing acknowledged is lost: SIGKILL under load, SIGTERM under load, a database that is gone."""

import ctypes
import json
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import pytest

from .service_process import wait_for
from .telemetry import OtlpSender, agent_run, trace_request

KILLS = 20
SENDERS = 3


class Load:
    """Senders that go on until the service is gone, and count what it acknowledged."""

    def __init__(self, address):
        self._address = address
        self._lock = threading.Lock()
        self.acknowledged = set()
        self._threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def join(self):
        for thread in self._threads:
            thread.join(30)

    def _send(self):
        sender = OtlpSender(self._address)
        try:
            while True:
                spans = [span for _ in range(8) for span in agent_run("Refund an order", "Done.")]
                sender.send(trace_request(spans))
                with self._lock:
                    self.acknowledged.update((span.trace_id, span.span_id) for span in spans)
        except grpc.RpcError:
            return
        finally:
            sender.close()


def stored_spans(service):
    import duckdb

    with duckdb.connect(str(service.data_dir / "reflect.duckdb"), read_only=True) as db:
        rows = db.execute("select trace_id, span_id from spans").fetchall()
    return [(bytes(trace_id), bytes(span_id)) for trace_id, span_id in rows]


def test_sigkill_at_random_moments_loses_no_acknowledged_span(start_service, tmp_path, capsys):
    chance = random.Random(20260101)
    service = start_service(tmp_path / "data")
    acknowledged = set()
    for _ in range(KILLS):
        load = Load(service.grpc_address)
        enough = len(acknowledged) + chance.randrange(24, 600)
        wait_for(lambda: len(load.acknowledged) + len(acknowledged), lambda count: count >= enough)  # noqa: B023
        service.kill()
        load.join()
        acknowledged |= load.acknowledged
        service.start()
    wait_for(service.status, lambda status: status["journal_pending"] == 0, 60)
    service.terminate()
    stored = stored_spans(service)
    lost = len(acknowledged - set(stored))
    with capsys.disabled():
        print(f"\nSIGKILL: {lost} of {len(acknowledged)} acknowledged spans lost in {KILLS} kills")
    assert lost == 0
    assert len(stored) == len(set(stored))


def test_sigterm_under_load_exits_soon_and_loses_nothing(start_service, tmp_path):
    service = start_service(tmp_path / "data")
    load = Load(service.grpc_address)
    wait_for(lambda: len(load.acknowledged), lambda count: count >= 500)
    code, seconds = service.terminate()
    load.join()
    assert (code, seconds <= 10) == (0, True)
    service.start()
    wait_for(service.status, lambda status: status["journal_pending"] == 0, 60)
    service.terminate()
    assert load.acknowledged - set(stored_spans(service)) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="threads are told apart by Linux")
def test_a_stop_is_heard_whichever_thread_the_system_hands_it_to(start_service, tmp_path):
    service = start_service(tmp_path / "data")
    threads = {int(entry.name) for entry in Path(f"/proc/{service.process.pid}/task").iterdir()}
    other = max(threads - {service.process.pid})
    assert ctypes.CDLL(None).tgkill(service.process.pid, other, int(signal.SIGTERM)) == 0
    assert service.process.wait(10) == 0


def test_a_database_that_was_deleted_beside_its_journal_is_told_of_once(start_service, tmp_path):
    service = start_service(tmp_path / "data")
    sender = OtlpSender(service.grpc_address)
    sender.send(trace_request(agent_run("Refund an order", "Done.")))
    spans = service.wait_settled()["spans"]
    sender.close()
    service.terminate()
    (service.data_dir / "reflect.duckdb").unlink()
    assert run_folder_doctor(service.data_dir)["folder"]["detail"].endswith("holds a journal, but no reflect.duckdb")
    service.start()
    assert wait_for(lambda: service.status()["spans"], lambda stored: stored == spans) == spans
    service.wait_settled()
    warnings = [line for line in service.log.read_text().splitlines() if "WARNING" in line]
    assert len(warnings) == 1, warnings
    assert "the database ends at journal record 0" in warnings[0]
    assert "put the newest reflect.duckdb back" in warnings[0]
    service.restart()
    assert "WARNING" not in service.log.read_text().replace(warnings[0], "")


def test_doctor_finds_a_database_older_than_its_journal(start_service, tmp_path):
    service = start_service(tmp_path / "data")
    service.terminate()
    database = service.data_dir / "reflect.duckdb"
    backup = database.read_bytes()
    service.start()
    sender = OtlpSender(service.grpc_address)
    sender.send(trace_request(agent_run("Refund an order", "Done.")))
    service.wait_settled()
    sender.close()
    service.terminate()
    assert "database" not in run_folder_doctor(service.data_dir)
    database.write_bytes(backup)
    for _ in range(2):  # to look changes nothing
        finding = run_folder_doctor(service.data_dir)["database"]
        assert "1 are read again from the journal and 0 are gone" in finding["detail"]
        assert "put the newest reflect.duckdb back" in finding["remedy"]


def run_folder_doctor(folder):
    command = [sys.executable, "-m", "collector_plugin", "doctor", "--data-dir", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return {finding["check"]: finding for finding in map(json.loads, done.stdout.splitlines())}


def test_health_follows_the_life_of_the_service(service):
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(service.grpc_address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", "reflect.v1.ReflectService", "opentelemetry.proto.collector.trace.v1.TraceService"):
            assert health.Check(health_pb2.HealthCheckRequest(service=name), timeout=5).status == 1
    assert service.get("/healthz") == (200, {"status": "ok"})
    assert service.get("/readyz") == (200, {"status": "ready"})


def test_grpc_reflection_lists_the_services(service):
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

    with grpc.insecure_channel(service.grpc_address) as channel:
        names = ProtoReflectionDescriptorDatabase(channel).get_services()
    assert "reflect.v1.ReflectService" in names
    assert "opentelemetry.proto.collector.logs.v1.LogsService" in names
