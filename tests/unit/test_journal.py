"""The journal through its public face: real files, real processes, real signals."""

import os
import random
import resource
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflect_otel.errors import InvalidArgument, JournalFull, StoreError, StoreLocked
from reflect_otel.journal import Journal, JournalRecord
from reflect_otel.lockfile import LockFile

KILLS = 10

WRITER = """
import os, sys, threading
from reflect_otel.journal import Journal
from reflect_otel.lockfile import LockFile
journal = Journal(sys.argv[1], segment_bytes=200_000)
def work(number):
    at = 0
    while True:
        name = f"{sys.argv[2]}-{number}-{at}"
        journal.append(1, name, 0, name.encode() * (1 + at % 700))
        os.write(1, (name + "\\n").encode())
        at += 1
for number in range(3):
    threading.Thread(target=work, args=(number,)).start()
"""

HOLDER = """
import sys
from reflect_otel.journal import Journal
from reflect_otel.lockfile import LockFile
journal = Journal(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def journal(tmp_path):
    with_files = Journal(tmp_path / "journal")
    yield with_files
    with_files.close()


def bodies(journal, after=0):
    return [record.body for record in journal.read(after, 10_000, 1 << 30)]


def test_a_record_comes_back_as_it_was_appended(journal):
    sequence = journal.append(4_000_000_000, "größe \ud800", 1_790_000_000_000_000_000, b"\0body")
    assert journal.read(0, 10, 1 << 20) == [
        JournalRecord(sequence, 4_000_000_000, "größe \ud800", 1_790_000_000_000_000_000, b"\0body")
    ]


def test_appends_of_many_threads_are_numbered_without_gaps_in_the_order_they_return(journal):
    seen = {}

    def work(number):
        own = [journal.append(1, "p", 0, f"{number}-{at}".encode()) for at in range(50)]
        assert own == sorted(own)
        seen.update({sequence: f"{number}-{at}".encode() for at, sequence in enumerate(own)})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(1, 201))
    assert bodies(journal) == [seen[sequence] for sequence in range(1, 201)]


def test_records_that_nobody_waits_for_are_durable_after_a_flush(journal, tmp_path):
    for at in range(100):
        journal.append_nowait(1, "p", 0, b"%d" % at)
    assert journal.flush(10) == 100
    assert bodies(journal) == [b"%d" % at for at in range(100)]


@pytest.mark.parametrize("name", ["x", "1", "0" * 19 + "x", "0" * 18 + "_1", "٣" * 20])
def test_a_file_that_is_not_the_journals_own_is_named_and_nothing_is_touched(tmp_path, name):
    with closing(Journal(tmp_path / "j")) as journal:
        journal.append(1, "p", 0, b"kept")
    foreign = tmp_path / "j" / f"{name}.journal"
    foreign.write_bytes(b"notes of a pilot")
    with pytest.raises(StoreError, match="move it out of the folder"):
        Journal(tmp_path / "j")
    assert foreign.read_bytes() == b"notes of a pilot"
    foreign.unlink()
    with closing(Journal(tmp_path / "j")) as journal:
        assert bodies(journal) == [b"kept"]


def test_a_flush_waits_for_what_was_there_and_not_for_what_keeps_coming(journal):
    is_flushed = threading.Event()

    def keep_coming():
        while not is_flushed.is_set():
            journal.append_nowait(1, "p", 0, bytes(1000))

    senders = [threading.Thread(target=keep_coming) for _ in range(2)]
    for sender in senders:
        sender.start()
    try:
        wanted = journal.append(1, "p", 0, b"the one")
        assert journal.flush(10) >= wanted
    finally:
        is_flushed.set()
        for sender in senders:
            sender.join()


def test_reading_stops_at_the_limits_but_gives_at_least_one(journal):
    for _ in range(5):
        journal.append(1, "p", 0, bytes(1000))
    assert len(journal.read(0, 3, 1 << 20)) == 3
    assert len(journal.read(0, 10, 2_200)) == 2
    assert len(journal.read(0, 10, 1)) == 1
    assert journal.read(5, 10, 1 << 20) == []
    assert [record.sequence for record in journal.read(3, 10, 1 << 20)] == [4, 5]


def test_waiting_ends_with_the_next_record(journal):
    assert not journal.wait(0, 0.01)
    threading.Timer(0.05, journal.append, (1, "p", 0, b"x")).start()
    assert journal.wait(0, 10)
    assert not journal.wait(1, 0.01)


def test_waiting_ends_when_the_journal_is_closed(tmp_path):
    journal = Journal(tmp_path)
    threading.Timer(0.05, journal.close).start()
    assert not journal.wait(0, 10)


def test_trimming_frees_the_disk_and_keeps_the_rest(tmp_path):
    journal = Journal(tmp_path, segment_bytes=10_000)
    for _ in range(100):
        journal.append(1, "p", 0, bytes(1000))
    journal.trim(95)
    assert (journal.pending_count, len(journal.read(95, 99, 1 << 20))) == (5, 5)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 20_000
    journal.trim(100)
    assert (journal.pending_count, journal.pending_bytes) == (0, 0)
    journal.close()


def test_numbers_go_on_after_everything_was_trimmed_and_the_journal_reopened(tmp_path):
    for expected in (1, 2, 3, 4):
        journal = Journal(tmp_path, segment_bytes=10)
        assert journal.append(1, "p", 0, b"body") == expected
        journal.trim(expected)
        assert journal.pending_count == 0
        journal.close()


def test_what_was_trimmed_stays_trimmed_after_reopening(tmp_path):
    journal = Journal(tmp_path)
    for at in range(10):
        journal.append(1, "p", 0, b"%d" % at)
    journal.trim(7)
    journal.close()
    again = Journal(tmp_path)
    assert (again.trimmed_sequence, again.pending_count, again.last_sequence) == (7, 3, 10)
    again.close()


def test_the_consumers_own_position_counts_more_and_opening_writes_nothing(tmp_path):
    journal = Journal(tmp_path)
    for at in range(10):
        journal.append(1, "p", 0, b"%d" % at)
    journal.trim(7)
    journal.close()
    for _ in range(2):
        behind = Journal(tmp_path, start_after=2)
        assert (behind.trimmed_sequence, behind.found_sequence) == (2, 7)
        assert [record.sequence for record in behind.read(2, 99, 10_000)] == list(range(3, 11))
        behind.close()
    behind = Journal(tmp_path, start_after=2)
    behind.trim(3)
    behind.close()
    again = Journal(tmp_path)
    assert (again.trimmed_sequence, again.found_sequence) == (3, 3)
    again.close()


def test_numbers_go_on_behind_the_consumer_when_the_files_are_gone(tmp_path):
    journal = Journal(tmp_path, start_after=41)
    assert journal.append(1, "p", 0, b"x") == 42
    assert journal.pending_count == 1
    journal.close()


def test_a_full_journal_refuses_and_takes_again_after_a_trim(tmp_path):
    journal = Journal(tmp_path, capacity_bytes=5_000, segment_bytes=1_000)
    for _ in range(4):
        journal.append(1, "p", 0, bytes(1_000))
    with pytest.raises(JournalFull, match="raise its capacity"):
        journal.append(1, "p", 0, bytes(1_000))
    with pytest.raises(JournalFull):
        journal.append_nowait(1, "p", 0, bytes(1_000))
    assert journal.pending_bytes <= 5_000
    journal.trim(1)
    assert journal.append(1, "p", 0, bytes(1_000)) == 5
    journal.close()


def test_a_closed_journal_refuses_and_may_be_closed_again(tmp_path):
    journal = Journal(tmp_path)
    journal.close()
    journal.close()
    for call in (
        lambda: journal.append(1, "p", 0, b""),
        lambda: journal.append_nowait(1, "p", 0, b""),
        lambda: journal.read(0, 1, 1),
    ):
        with pytest.raises(StoreError, match="open it again"):
            call()


def test_closing_makes_what_is_queued_durable(tmp_path):
    journal = Journal(tmp_path)
    for at in range(200):
        journal.append_nowait(1, "p", 0, b"%d" % at)
    journal.close()
    again = Journal(tmp_path)
    assert len(bodies(again)) == 200
    again.close()


def test_a_body_beyond_the_limit_is_refused(journal, monkeypatch):
    monkeypatch.setattr("reflect_otel.journal.queue.MAX_BODY_BYTES", 10)
    with pytest.raises(InvalidArgument, match="the most is 10"):
        journal.append(1, "p", 0, bytes(11))


def test_a_second_opener_is_told_who_holds_the_journal(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreLocked, match=f"process {holder.pid}"):
            Journal(tmp_path)
        holder.stdin.close()
    own = Journal(tmp_path)
    with pytest.raises(StoreLocked, match=f"process {os.getpid()}"):
        Journal(tmp_path)
    own.close()


def test_a_forked_child_touches_nothing_of_its_parents_journal(tmp_path):
    code = """
import os, sys
from reflect_otel.errors import StoreError
from reflect_otel.journal import Journal
from reflect_otel.lockfile import LockFile
journal = Journal(sys.argv[1])
journal.append(1, "p", 0, b"before")
child = os.fork()
if child == 0:
    for call in (lambda: journal.append(1, "p", 0, b"child"), lambda: Journal(sys.argv[1])):
        try:
            call()
        except StoreError as error:
            print(type(error).__name__, flush=True)
    journal.close()
    sys.exit()
os.waitpid(child, 0)
journal.append(1, "p", 0, b"after")
try:
    Journal(sys.argv[1])
except StoreError as error:
    print(type(error).__name__, "parent", flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:3] == ["StoreError", "StoreLocked", "StoreLocked parent"]
    again = Journal(tmp_path)
    assert bodies(again) == [b"before", b"after"]
    again.close()


def test_a_full_disk_fails_exactly_the_callers_it_concerns_and_heals(tmp_path, caplog):
    journal = Journal(tmp_path)
    journal.append(1, "p", 0, b"first")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StoreError, match="free disk space"):
            journal.append(1, "p", 0, bytes(200_000))
        journal.append_nowait(1, "p", 0, bytes(200_000))
        journal.flush(10)
        assert journal.lost_count == 1
        journal.append(1, "p", 0, b"small")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal.append(1, "p", 0, bytes(200_000))
    expected = [b"first", b"small", bytes(200_000)]
    assert bodies(journal) == expected
    journal.close()
    again = Journal(tmp_path)
    assert bodies(again) == expected
    assert again.last_sequence == 3
    again.close()


@given(cut=st.integers(min_value=0, max_value=4_000))
def test_a_torn_tail_costs_only_the_records_it_touches(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("torn")
    journal = Journal(folder)
    for at in range(30):
        journal.append(1, "p", 0, bytes([at]) * 80)
    journal.close()
    (file,) = folder.glob("*.journal")
    whole = file.stat().st_size
    os.truncate(file, max(0, whole - cut))
    again = Journal(folder)
    kept = max(0, whole - cut) // (whole // 30)
    assert bodies(again) == [bytes([at]) * 80 for at in range(kept)]
    again.append(1, "p", 0, b"next")
    assert bodies(again)[-1] == b"next"
    again.close()


def test_damage_to_an_acknowledged_record_is_told_and_not_passed_over(tmp_path):
    journal = Journal(tmp_path)
    for _ in range(10):
        journal.append(1, "p", 0, bytes(100))
    journal.close()
    (file,) = tmp_path.glob("*.journal")
    with file.open("r+b") as damaged:
        damaged.seek(300)
        damaged.write(b"\xff")
    before = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises(StoreError, match=r"damaged at record 3.*restore"):
        Journal(tmp_path)
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_damage_in_an_older_file_is_told_when_it_is_read(tmp_path):
    journal = Journal(tmp_path, segment_bytes=500)
    for _ in range(10):
        journal.append(1, "p", 0, bytes(400))
    first = min(tmp_path.glob("*.journal"))
    with first.open("r+b") as damaged:
        damaged.seek(100)
        damaged.write(b"\xff")
    with pytest.raises(StoreError, match=f"{first.name} is damaged at record 1"):
        journal.read(0, 10, 1 << 20)
    journal.close()
    first.unlink()
    rest = Journal(tmp_path, segment_bytes=500)
    assert rest.read(0, 10, 1 << 20)[0].sequence > 1
    assert rest.last_sequence == 10
    rest.close()


def test_a_lock_that_cannot_be_written_is_told_and_let_go(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(StoreError, match="cannot write .*free disk space"):
            LockFile(tmp_path / "lock", "a folder")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    LockFile(tmp_path / "lock", "a folder").release()


def test_a_folder_that_cannot_be_used_is_told(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="cannot open journal"):
        Journal(tmp_path / "file")


def test_no_acknowledged_record_is_lost_or_doubled_by_a_kill(tmp_path, capsys):
    acknowledged = []
    for round_number in range(KILLS):
        acknowledged += _write_until_killed(tmp_path, round_number)
        journal = Journal(tmp_path, segment_bytes=200_000)
        found = journal.read(0, 1_000_000, 1 << 40)
        journal.close()
        names = [record.project_id for record in found]
        assert len(names) == len(set(names))
        assert [record.sequence for record in found] == list(range(1, len(found) + 1))
        assert all(set(record.body) == set(record.project_id.encode()) for record in found)
        lost = set(acknowledged) - set(names)
        assert not lost
    with capsys.disabled():
        print(f"\njournal: 0 of {len(acknowledged)} acknowledged records lost in {KILLS} kills")


def _write_until_killed(folder: Path, round_number: int) -> list[str]:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(round_number)], stdout=subprocess.PIPE, text=True
    )
    with writer:
        first = writer.stdout.readline()
        killer = threading.Timer(
            random.Random(round_number).uniform(0.01, 0.2), writer.send_signal, (signal.SIGKILL,)
        )
        killer.start()
        rest = writer.stdout.read()
        killer.join()
    return [name for name in (first + rest).split("\n")[:-1] if name]
