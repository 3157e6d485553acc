"""The note of what was handed to a run: without it no review could move the utility of what was served."""

from collections.abc import Sequence

from reflect_otel.model.memory import Memory, Served


def build_served(
    memories: Sequence[Memory],
    run_id: str,
    trace_id: bytes | None,
    served_ns: int,
    *,
    withheld: bool = False,
    control_share: float = 0.0,
) -> Sequence[Served]:
    """One note per memory, ranked in the order given, with its numbers as they were at ``served_ns``.

    The run is known by ``run_id``, by its W3C ``trace_id`` (16 bytes), or by both. ``withheld`` says that chance, to
    the extent of ``control_share``, decided against serving them.
    """
    return [
        Served(
            memory_id=memory.id,
            trace_id=trace_id,
            run_id=run_id or None,
            rank=rank,
            similarity=memory.similarity,
            utility=memory.utility,
            score=memory.score,
            served_ns=served_ns,
            withheld=withheld,
            control_share=control_share,
        )
        for rank, memory in enumerate(memories, start=1)
    ]
