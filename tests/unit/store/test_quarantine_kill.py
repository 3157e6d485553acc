"""A quarantine is made and released whole: a kill leaves all of it or nothing."""

import random
import signal
import subprocess
import sys
import threading

import pytest

from reflect_otel.plugins import load_plugin

KILLS = 6
RUNS = tuple(f"r{number:03}" for number in range(400))
"""With the memories more members than one statement takes; and so are the ledger entries of three of them."""

WRITER = """
import sys
from dataclasses import replace
from reflect_otel.model.governance import GovernanceChange, Quarantine, QuarantinedMemory
from reflect_otel.model.memory import Memory, MemoryKind, MemoryStatus, UtilityEvent
from reflect_otel.ports import StoredVector
from reflect_otel.store.duckdb_store import DuckDBStore

store = DuckDBStore(sys.argv[1])
memories = [
    Memory(id=f"m{n:03}", task="t", reflection="x" * 500, kind=MemoryKind.STRATEGY, created_ns=n) for n in range(200)
]
runs = tuple(f"r{n:03}" for n in range(400))
events = [
    UtilityEvent(memory_id=memory.id, run_id=run_id, reward=1.0, after=0.75)
    for memory in memories for run_id in runs[:3]
]
if not store.find_memory("p", "m199"):
    for memory in memories:
        store.write_memory("p", StoredVector(project_id="p", memory=memory, task_vector=(1.0,), embedder_id="e"))
    store.write_change("p", GovernanceChange(events=events))
for held in store.find_quarantines("p", open_only=True):
    store.write_change("p", GovernanceChange(memories=memories, events=events, released_ids=[held.id], released_ns=1))
print("ready", flush=True)
number = len(store.find_quarantines("p"))
while True:
    opened = Quarantine(
        id=f"q{number}", reason="", created_ns=number, run_ids=runs,
        members=tuple(QuarantinedMemory(memory_id=memory.id) for memory in memories),
    )
    store.write_change("p", GovernanceChange(
        opened=opened,
        memories=[replace(memory, status=MemoryStatus.QUARANTINED, status_reason=opened.id) for memory in memories],
        events=[replace(event, excluded="quarantined run") for event in events],
    ))
    change = GovernanceChange(memories=memories, events=events, released_ids=[opened.id], released_ns=1)
    store.write_change("p", change)
    number += 1
"""


@pytest.mark.parametrize("round_number", range(KILLS))
def test_a_kill_leaves_a_quarantine_whole_or_not_at_all(tmp_path_factory, round_number):
    path = tmp_path_factory.getbasetemp() / "quarantine-kill" / "reflect.duckdb"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "ready\n"
        delay_seconds = random.Random(round_number).uniform(0.02, 0.4)
        killer = threading.Timer(delay_seconds, writer.send_signal, (signal.SIGKILL,))
        killer.start()
        writer.wait(30)
        killer.join()
    store = load_plugin("reflect_otel.stores", "duckdb")(path)
    try:
        memories = store.find_memories("p", before=None, limit=1000)
        ledger = store.find_utility_events("p", run_ids=RUNS[:3])
        held = store.find_quarantines("p", open_only=True)
    finally:
        store.close()
    assert (len(memories), len(ledger)) == (200, 600)
    expected = {(held[0].id, "quarantined")} if held else {("", "active")}
    assert {(memory.status_reason, memory.status.value) for memory in memories} == expected
    assert {event.excluded for event in ledger} == {"quarantined run" if held else ""}
    assert all(len(item.members) == 200 and item.run_ids == RUNS for item in held)
