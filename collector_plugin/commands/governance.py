"""``reflect-otel memories show`` and its like, ``blast-radius``, ``quarantine``, ``quarantines`` and ``release``."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.text import Text

from collector_plugin.commands.connection import Connection
from collector_plugin.terminal import Column, build_console, build_lesson, build_table, count, print_json, printable
from reflect_otel.model.governance import BlastRadius, MemoryHistory, Quarantine
from reflect_otel.model.memory import Memory

_HISTORY: Final = (
    Column("run"),
    Column("review"),
    Column("by", wide_only=True),
    Column("reward", number=True),
    Column("step", number=True),
    Column("before", number=True),
    Column("after", number=True),
    Column("note", share=1),
)
_REACHED: Final = (
    Column("depth", number=True),
    Column("what"),
    Column("id"),
    Column("via"),
    Column("lesson", share=1),
)
_QUARANTINES: Final = (
    Column("quarantine"),
    Column("made"),
    Column("released"),
    Column("memories", number=True),
    Column("runs", number=True),
    Column("reason", share=1),
)

_LISTED_IDS: Final = 10


def run_show(connection: Connection, memory_id: str, limit: int, *, as_json: bool) -> None:
    """Print one memory with its history.

    Raises:
        NotFound: when the project has no such memory.
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        history = client.get_memory_history(memory_id, limit=limit)
    if as_json:
        print_json(history)
        return
    console = build_console()
    for name, value in _facts(history):
        if value not in (None, "", ()):
            console.print(Text(f"{name:>12}  ", style="dim") + Text(printable(str(value))), soft_wrap=True)
    if history.entries:
        rows = (
            (
                e.run_id,
                e.result,
                e.reviewer,
                e.reward,
                e.step or None,
                e.before,
                e.after,
                e.excluded or e.feedback,
            )
            for e in history.entries
        )
        console.print(build_table(_HISTORY, rows, width=console.width))
    if history.entry_count > len(history.entries):
        print(f"The newest {len(history.entries)} of {history.entry_count}; --limit shows more.", file=sys.stderr)


def run_action(connection: Connection, memory_ids: Sequence[str], action: str, reason: str, *, as_json: bool) -> None:
    """Act on memories and print how they stand then.

    Raises:
        NotFound: when the project has not all of them; none was changed.
        FailedPrecondition: when one of them does not allow it; none was changed.
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        memories = client.update_memories(memory_ids, action, reason=reason)
    if as_json:
        print_json(*memories)
        return
    for memory in memories:
        pinned = ", pinned" if memory.pinned else ""
        why = f" ({memory.status_reason})" if memory.status_reason else ""
        print(printable(f"{memory.id}: {memory.status.value}{pinned}{why}"))


def run_delete(connection: Connection, memory_ids: Sequence[str], *, as_json: bool) -> None:
    """Delete memories and print how many there were.

    Raises:
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        deleted = client.delete_memories(memory_ids)
    if as_json:
        print_json({"deleted": deleted})
    else:
        print(f"{deleted} deleted")


def run_blast_radius(
    connection: Connection, origin: Mapping[str, Any], *, as_json: bool, on_stderr: bool = False
) -> None:
    """Print what something bad has reached.

    Raises:
        InvalidArgument: when the origin names nothing.
        NotFound: when the project has no such memory or run.
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        radius = client.find_blast_radius(**origin)
    if as_json:
        print_json(radius)
        return
    console = build_console(on_stderr=on_stderr)
    console.print(build_table(_REACHED, _reached_rows(radius), width=console.width))
    memories, runs = len(radius.memories) + radius.unlisted_memories, len(radius.runs) + radius.unlisted_runs
    found = f"{_count_memories(memories)}, {_count_runs(runs)}" if memories or runs else "Nothing is within reach."
    print(found, file=sys.stderr)


def run_quarantine(connection: Connection, origin: Mapping[str, Any], reason: str, *, as_json: bool) -> None:
    """Quarantine a blast radius and print how to release it.

    Raises:
        InvalidArgument: when the origin names nothing.
        NotFound: when the project has no such memory or run.
        FailedPrecondition: when nothing is within reach.
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        made = client.create_quarantine(**origin, reason=reason)
    _print_quarantine(made, "holds", as_json=as_json)


def run_quarantines(connection: Connection, *, open_only: bool, as_json: bool) -> None:
    """Print the quarantines.

    Raises:
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        found = client.list_quarantines(open_only=open_only)
    if as_json:
        print_json(*found)
        return
    console = build_console()
    rows = (
        (
            item.id,
            _moment(item.created_ns),
            _moment(item.released_ns),
            len(item.members) + item.unlisted_memories,
            len(item.run_ids) + item.unlisted_runs,
            item.reason,
        )
        for item in found
    )
    console.print(build_table(_QUARANTINES, rows, width=console.width))


def run_release(connection: Connection, quarantine_id: str, *, as_json: bool) -> None:
    """Release a quarantine.

    Raises:
        NotFound: when the project has no such quarantine.
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        released = client.release_quarantine(quarantine_id)
    _print_quarantine(released, "has released", as_json=as_json)


def _print_quarantine(quarantine: Quarantine, verb: str, *, as_json: bool) -> None:
    if as_json:
        print_json(quarantine)
        return
    memories = len(quarantine.members) + quarantine.unlisted_memories
    runs = len(quarantine.run_ids) + quarantine.unlisted_runs
    print(printable(f"{quarantine.id} {verb} {_count_memories(memories)} and {_count_runs(runs)}"))


def _count_memories(number: int) -> str:
    return count(number, "memory", "memories")


def _count_runs(number: int) -> str:
    return count(number, "run", "runs")


def _facts(history: MemoryHistory) -> Iterator[tuple[str, object]]:
    memory = history.memory
    yield "memory", memory.id
    yield "kind", memory.kind.value
    yield "lesson", memory.reflection
    yield "task", memory.task
    yield "status", memory.status.value + (", pinned" if memory.pinned else "")
    yield "why", memory.status_reason
    yield "merged into", memory.merged_into
    yield "utility", _describe_utility(memory)
    yield "alarm", memory.alarm
    yield "agent", memory.agent
    yield "author", memory.author
    yield "written by", memory.reflector
    yield "source runs", _list_some(history.source_runs)
    yield "speaks for", _list_some(history.merged_memory_ids)
    yield "quarantines", "; ".join(f"{item.id} ({item.reason})" for item in history.quarantines)
    yield "stored", _moment(memory.created_ns)
    yield "last served", _moment(memory.last_served_ns)


def _describe_utility(memory: Memory) -> str:
    if memory.merged_into:
        return f"that of {memory.merged_into}, which speaks for it"
    if not memory.uses:
        return f"{memory.utility:.2f}, no reviewed run counts yet"
    return f"{memory.utility:.2f}, {memory.passes} of {count(memory.uses, 'run', 'runs')} passed"


def _list_some(ids: Sequence[str]) -> str:
    more = len(ids) - _LISTED_IDS
    return ", ".join(ids[:_LISTED_IDS]) + (f" and {more:,} more; --json has all" if more > 0 else "")


def _reached_rows(radius: BlastRadius) -> Iterator[Sequence[object]]:
    rows: list[tuple[int, str, str, str, str]] = [
        (item.depth, "memory", item.memory.id, item.via, build_lesson(item.memory.reflection))
        for item in radius.memories
    ]
    rows += [(item.depth, "run", item.run_id, item.via, "") for item in radius.runs]
    yield from sorted(rows)


def _moment(moment_ns: int) -> str | None:
    return datetime.fromtimestamp(moment_ns / 1e9, UTC).isoformat(timespec="seconds") if moment_ns else None
