"""Several runs of one conversation, as the public API hands them out."""

from dataclasses import dataclass
from typing import Any

from reflect_otel.model.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One conversation over all its closed runs. Counts and tokens are sums over the runs.

    Attributes:
        id: the conversation id, as agents sent it.
        num_turns: messages of the user.
        runs: earliest start first, without their conversations; each with its review status.
        trajectory: role/content message dictionaries in OpenAI chat form; what runs re-send stands once.
        final_response: the answer of the last run.
        agents: who took part, in order of their first run; ``models`` likewise.
        older_runs_left_out: the session is longer than the service reads at a time; its newest runs are here.
    """

    id: str
    num_turns: int = 0
    runs: tuple[Trace, ...] = ()
    trajectory: tuple[dict[str, Any], ...] = ()
    final_response: str | None = None
    agents: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    steps: int = 0
    llm_calls: int = 0
    llm_errors: int = 0
    tool_calls: int = 0
    tool_errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    started_ns: int = 0
    ended_ns: int = 0
    older_runs_left_out: bool = False
