"""``reflect-otel memories``: what was learned."""

import sys
from collections.abc import Sequence
from itertools import islice
from typing import Final

from collector_plugin.commands.connection import Connection
from collector_plugin.terminal import Column, build_console, build_lesson, build_table, print_json
from reflect_otel.client.governance_codec import MemoryWish
from reflect_otel.model.memory import Memory

MEMORY_COLUMNS: Final = (
    Column("memory"),
    Column("kind"),
    Column("status", wide_only=True),
    Column("utility", number=True),
    Column("passed"),
    Column("from run", wide_only=True),
    Column("lesson", share=1),
)


def run_memories(connection: Connection, only: MemoryWish, limit: int, *, as_json: bool) -> None:
    """Print the newest memories that pass the filter.

    Raises:
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        memories = list(islice(client.iter_memories(**only), limit))
    if as_json:
        print_json(*memories)
        return
    console = build_console()
    console.print(build_table(MEMORY_COLUMNS, map(build_memory_row, memories), width=console.width))
    if not memories and any(only.values()):
        print("No such memories.", file=sys.stderr)
    elif not memories:
        print(
            "No memories yet. They come from reviewed runs: `reflect-otel review ID --result pass`.", file=sys.stderr
        )
    elif len(memories) == limit:
        print(f"The newest {limit}; --limit shows more.", file=sys.stderr)


def build_memory_row(memory: Memory) -> Sequence[object]:
    """The cells of ``MEMORY_COLUMNS``."""
    passed = f"{memory.passes} of {memory.uses}" if memory.uses else None
    return (
        memory.id,
        memory.kind.value,
        memory.status.value,
        memory.utility,
        passed,
        memory.created_from,
        build_lesson(memory.reflection),
    )
