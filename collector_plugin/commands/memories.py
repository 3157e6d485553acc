"""``reflect-otel memories`` and ``augment``: what was learned, and what a task would get of it."""

import sys
from collections.abc import Sequence
from itertools import islice
from typing import Final

from collector_plugin.commands.connection import Connection
from collector_plugin.terminal import Column, build_console, build_table, print_json, printable
from reflect_otel.errors import DeadlineExceeded
from reflect_otel.model.memory import Memory

MEMORY_COLUMNS: Final = (
    Column("memory"),
    Column("kind"),
    Column("utility", number=True),
    Column("passed"),
    Column("from run", wide_only=True),
    Column("lesson", share=1),
)


def run_memories(connection: Connection, limit: int, *, as_json: bool) -> None:
    """Print the newest memories.

    Raises:
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        memories = list(islice(client.iter_memories(), limit))
    if as_json:
        print_json(*memories)
        return
    console = build_console()
    console.print(build_table(MEMORY_COLUMNS, map(build_memory_row, memories), width=console.width))
    if not memories:
        print(
            "No memories yet. They come from reviewed runs: `reflect-otel review ID --result pass`.", file=sys.stderr
        )
    elif len(memories) == limit:
        print(f"The newest {limit}; --limit shows more.", file=sys.stderr)


def build_memory_row(memory: Memory) -> Sequence[object]:
    """The cells of ``MEMORY_COLUMNS``."""
    passed = f"{memory.passes} of {memory.uses}" if memory.uses else None
    return memory.id, memory.kind.value, memory.utility, passed, memory.created_from, memory.reflection


def run_augment(connection: Connection, task: str, limit: int, *, as_json: bool) -> None:
    """Print the augmented task as the agent would get it.

    Raises:
        InvalidArgument: for an empty or too long task.
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        augmented = client.augment_with_memories(task, limit=limit)
        if augmented.degraded:
            client.query_memories(task)  # fails with the typed error that the fail-open call has kept to itself
            raise DeadlineExceeded("the service was too slow to augment the task; try again, or see its log")
    if as_json:
        print_json(augmented)
        return
    print(printable(augmented.augmented_task, keep_lines=True))
