"""The spool within its bounds: bytes, a full or damaged disk, folders that cannot be used, other people's eyes."""

import resource
import stat
import threading

import grpc
import pytest
from opentelemetry.sdk.trace.export import SpanExportResult

from reflect_otel import ReflectSpanExporter, delivery_status
from reflect_otel.capture.spool_settings import read_spool_settings
from tests.otlp_sink import OtlpSink
from tests.waiting import wait_until

from .receivers import DEAD_URL, build_spans, free_port, journal_bytes, journals, names_at, spool_files


def test_the_default_bound_is_256_mib_under_the_users_state_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    settings = read_spool_settings()
    assert settings.capacity_bytes == 256 * 1024 * 1024
    assert settings.root == tmp_path / "reflect-otel" / "spool"


def test_a_full_spool_gives_up_its_oldest_spans_and_counts_them(spool, open_exporter, caplog):
    port = free_port()
    exporter = open_exporter(f"http://127.0.0.1:{port}", spool_bytes=400_000)
    sent = [str(number) for number in range(80)]
    for name in sent:
        exporter.export(build_spans(name, text="x" * 10_000))
        assert journal_bytes(spool) <= 400_000
    dropped = exporter.dropped_spans
    assert 42 <= dropped < 55  # 400 kB hold 38 spans; room is made file by file
    with OtlpSink(port) as back:
        wait_until(lambda: not exporter.status.waiting_bytes)
        assert names_at(back) == sent[dropped:]
    assert (exporter.dropped_spans, exporter.status.delivered) == (dropped, 80 - dropped)
    assert caplog.text.count("the spool is full") == 1


def test_what_makes_room_while_it_is_on_its_way_is_counted_once_and_the_rest_arrives(spool, open_exporter):
    gate = threading.Event()
    port = free_port()
    exporter = open_exporter(f"http://127.0.0.1:{port}", spool_bytes=400_000)
    for number in range(20):
        exporter.export(build_spans(str(number), text="x" * 10_000))

    def answer(request, context):
        gate.wait(20)
        context.abort(grpc.StatusCode.UNAVAILABLE, "busy")

    with OtlpSink(port, answer) as slow:
        wait_until(lambda: slow.attempts)  # all twenty are on their way
        for number in range(20, 60):
            exporter.export(build_spans(str(number), text="x" * 10_000))
        slow.answer = None
        gate.set()
        wait_until(lambda: not exporter.status.waiting_bytes)
        assert names_at(slow) == [str(number) for number in range(60)][exporter.dropped_spans :]
        assert 22 <= exporter.dropped_spans < 40


def test_the_bound_holds_for_all_processes_together_and_the_dead_ones_make_room_first(spool, open_exporter):
    dead = ReflectSpanExporter(DEAD_URL, project_id="other", spool_bytes=300_000)
    for _ in range(20):
        dead.export(build_spans("old", text="x" * 10_000))
    dead.shutdown()
    live = [open_exporter(DEAD_URL, spool_bytes=300_000) for _ in range(2)]
    for number in range(10):
        for exporter in live:
            exporter.export(build_spans(str(number), text="x" * 10_000))
            assert journal_bytes(spool) <= 300_000
    assert [exporter.status.spooled for exporter in live] == [10, 10]
    assert 0 < sum(exporter.dropped_spans for exporter in live) <= 20  # the dead one's
    for _ in range(40):
        for exporter in live:
            exporter.export(build_spans("more", text="x" * 10_000))
            assert journal_bytes(spool) <= 300_000


def test_a_batch_larger_than_the_spool_is_dropped_and_counted(spool, open_exporter):
    exporter = open_exporter(DEAD_URL, spool_bytes=10_000, timeout=0.2)
    assert exporter.export(build_spans("large", text="x" * 20_000)) is SpanExportResult.FAILURE
    assert exporter.export(build_spans("small")) is SpanExportResult.SUCCESS
    assert (exporter.dropped_spans, exporter.status.spooled) == (1, 1)


def test_a_full_disk_costs_spans_and_nothing_else(spool, open_exporter, caplog):
    port = free_port()
    exporter = open_exporter(f"http://127.0.0.1:{port}", timeout=0.2)
    results = [exporter.export(build_spans(name)) for name in "ab"]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        results += [exporter.export(build_spans(name)) for name in "cd"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert results == [SpanExportResult.SUCCESS] * 2 + [SpanExportResult.FAILURE] * 2
    assert (exporter.dropped_spans, exporter.degraded) == (2, True)
    assert "free disk space" in caplog.text
    assert exporter.export(build_spans("room again")) is SpanExportResult.SUCCESS
    with OtlpSink(port) as back:
        back.wait_for_spans(3)
        assert names_at(back) == ["a", "b", "room again"]


@pytest.mark.parametrize("obstacle", ["a file in its place", "no right to write"])
def test_a_folder_that_cannot_be_used_costs_the_spool_only(tmp_path, caplog, obstacle):
    folder = tmp_path / "folder"
    if obstacle == "a file in its place":
        folder.write_text("not a folder")
    else:
        folder = "/proc/self/spool"
    with OtlpSink() as sink:
        exporter = ReflectSpanExporter(sink.url, spool_dir=folder, timeout=1)
        assert exporter.export(build_spans("healthy")) is SpanExportResult.SUCCESS
    exporter.export(build_spans("dropped"))
    assert "REFLECT_SPOOL_DIR" in caplog.text
    assert (exporter.dropped_spans, exporter.degraded) == (1, True)
    with OtlpSink(sink.port) as back:
        wait_until(lambda: exporter.export(build_spans("healthy again")) is SpanExportResult.SUCCESS)
        assert names_at(back) == ["healthy again"]
        assert not exporter.degraded
        exporter.shutdown()


def test_without_a_spool_a_short_outage_is_bridged_in_memory(spool, monkeypatch):
    monkeypatch.setenv("REFLECT_SPOOL_BYTES", "0")
    port = free_port()
    exporter = ReflectSpanExporter(f"http://127.0.0.1:{port}", timeout=10)
    returning = []
    timer = threading.Timer(0.3, lambda: returning.append(OtlpSink(port)))
    timer.start()
    assert exporter.export(build_spans("patient")) is SpanExportResult.SUCCESS
    timer.join()
    assert names_at(returning[0]) == ["patient"]
    assert not spool.exists()
    exporter.shutdown()
    returning[0].stop()


def test_a_wrong_size_is_logged_and_the_default_used(spool, open_exporter, monkeypatch, caplog):
    monkeypatch.setenv("REFLECT_SPOOL_BYTES", "plenty")
    exporter = open_exporter(DEAD_URL)
    exporter.export(build_spans("kept"))
    assert exporter.status.spooled == 1
    assert "REFLECT_SPOOL_BYTES" in caplog.text


def test_only_the_user_can_read_what_is_kept(spool, open_exporter):
    open_exporter(DEAD_URL).export(build_spans("private"))
    for path in (spool, *spool.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def fill_and_leave(port):
    exporter = ReflectSpanExporter(f"http://127.0.0.1:{port}", spool_bytes=2_000_000)
    for number in range(40):
        exporter.export(build_spans(str(number), text="x" * 10_000))
    exporter.shutdown()


def flip_a_bit(files):
    content = bytearray(files[0].read_bytes())
    content[15_000] ^= 1  # in the second of its records
    files[0].write_bytes(content)


def tear_the_last_write(files):
    with files[-1].open("r+b") as file:
        file.truncate(files[-1].stat().st_size - 100)


def cut_a_file_off(files):
    with files[0].open("r+b") as file:
        file.truncate(15_000)


def fill_with_garbage(files):
    files[1].write_bytes(b"garbage" * 10_000)


@pytest.mark.parametrize(
    ("damage", "most_lost"),
    [(flip_a_bit, 1), (tear_the_last_write, 1), (cut_a_file_off, 130), (fill_with_garbage, 130)],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_damage_on_the_disk_costs_the_damaged_spans_at_most(spool, damage, most_lost, caplog):
    port = free_port()
    fill_and_leave(port)
    damage(journals(spool))
    with OtlpSink(port) as back:
        heir = ReflectSpanExporter(back.url, spool_bytes=2_000_000)
        assert heir.export(build_spans("fresh")) is SpanExportResult.SUCCESS
        back.wait_for_spans(1)
        wait_until(lambda: len(back.spans) >= 41 - most_lost)
        heir.shutdown()
        names = names_at(back)
    assert len(names) == len(set(names))
    assert "fresh" in names


def test_delivery_status_counts_for_the_whole_process_and_keeps_what_closed_exporters_counted(spool):
    before = delivery_status().spans
    exporter = ReflectSpanExporter(DEAD_URL, spool_bytes=10_000, timeout=0.2)
    exporter.export(build_spans("small"))
    exporter.export(build_spans("large", text="x" * 20_000))
    report = delivery_status()
    assert (report.degraded, report.waiting_bytes > 0, report.dropped > 0) == (True, True, True)
    exporter.shutdown()
    del exporter
    after = delivery_status().spans
    assert (after.spooled - before.spooled, after.dropped - before.dropped) == (1, 1)
    assert spool_files(spool)
