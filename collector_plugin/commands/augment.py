"""``reflect-otel augment``: what a task would get of what was learned, and why."""

import sys
from collections.abc import Iterable, Sequence
from typing import Final

from collector_plugin.commands.connection import Connection
from collector_plugin.terminal import Column, build_console, build_lesson, build_table, print_json, printable
from reflect_otel.errors import DeadlineExceeded, InvalidArgument
from reflect_otel.model.explanation import Candidate, Explanation, LeftOut
from reflect_otel.model.memory import RetrievalOptions

_COLUMNS: Final = (
    Column("rank", number=True),
    Column("note"),
    Column("score", number=True),
    Column("cosine", number=True),
    Column("closeness", number=True, wide_only=True),
    Column("utility", number=True),
    Column("uses", number=True),
    Column("memory", wide_only=True),
    Column("lesson", share=1),
)
_REASONS: Final = {
    LeftOut.BELOW_GATE: "too far",
    LeftOut.METADATA: "metadata",
    LeftOut.SAME_TEXT: "same text",
    LeftOut.BEYOND_POOL: "beyond pool",
    LeftOut.UTILITY_FLOOR: "mostly failed",
    LeftOut.PROBE_RATION: "one untried is enough",
    LeftOut.DIVERSITY: "too alike",
    LeftOut.MAX_INJECTED: "no place left",
    LeftOut.TOKEN_BUDGET: "no room",
}


def run_augment(
    connection: Connection, task: str, options: RetrievalOptions, *, explain: bool, as_json: bool
) -> None:
    """Print the augmented task as the agent would get it.

    Raises:
        InvalidArgument: for an empty or too long task.
        TransportError: when the service does not answer.
    """
    with connection.open() as client:
        augmented = client.augment_with_memories(
            task,
            limit=options.limit,
            lambda_=options.lambda_,
            similarity_threshold=options.similarity_threshold,
            metadata_filter=options.metadata_filter,
            mmr_lambda=options.mmr_lambda,
            max_injected=options.max_injected,
            explain=explain,
        )
        if augmented.degraded:
            client.query_memories(task)  # fails with the typed error that the fail-open call has kept to itself
            raise DeadlineExceeded("the service was too slow to augment the task; try again, or see its log")
    if as_json:
        print_json(augmented)
        return
    print(printable(augmented.augmented_task, keep_lines=True))
    if augmented.serving_stopped_reason:
        print(f"Serving is stopped: {printable(augmented.serving_stopped_reason)}", file=sys.stderr)
    elif augmented.control:
        print("This one fell to the control group: its memories were withheld.", file=sys.stderr)
    if augmented.explanation is not None:
        print()
        _print_explanation(augmented.explanation)


def read_pairs(assignments: Iterable[str], option: str) -> dict[str, str]:
    """``KEY=VALUE`` words as pairs; a value may hold ``=``.

    Raises:
        InvalidArgument: a word is none.
    """
    pairs: dict[str, str] = {}
    for assignment in assignments:
        key, sign, value = assignment.partition("=")
        if not (key and sign):
            raise InvalidArgument(f"{option} takes KEY=VALUE, not {assignment[:60]!r}", field=option)
        pairs[key] = value
    return pairs


def _print_explanation(explanation: Explanation) -> None:
    console = build_console()
    if not explanation.candidates:
        print("No active memory came near.", file=sys.stderr)
    else:
        console.print(build_table(_COLUMNS, map(_build_row, explanation.candidates), width=console.width))
    guards = "on" if explanation.guarded else "off, as lambda is 0 or 1"
    print(
        f"score = {explanation.lambda_:g} * closeness + {1 - explanation.lambda_:g} * utility; closeness is 0 at "
        f"cosine {explanation.gate:.2f} and 1 from {explanation.near:.2f} on; threshold {explanation.threshold:.2f}, "
        f"guards {guards}, at most {explanation.max_injected} notes, cosines by {printable(explanation.embedder_id)}",
        file=sys.stderr,
    )


def _build_row(candidate: Candidate) -> Sequence[object]:
    memory = candidate.memory
    left_out = "" if candidate.left_out is None else _REASONS[candidate.left_out]
    return (
        candidate.rank or None,
        f"M{candidate.note}" if candidate.note else left_out,
        memory.score,
        memory.similarity,
        candidate.closeness,
        memory.utility,
        memory.uses,
        memory.id,
        build_lesson(memory.reflection),
    )
