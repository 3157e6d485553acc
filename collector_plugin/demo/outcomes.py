"""Known outcomes of the recorded tau-bench runs: did each pass, and if not, what differs from the reference."""

import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reflect_otel.model.review import ReviewResult

_READING_TOOLS: Final = ("get_", "list_", "search_", "find_", "think", "calculate")
"""Tools that leave the benchmark's database as it is; only the others decide whether a run passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is known about one recorded run.

    Attributes:
        conversation_id: ``gen_ai.conversation.id`` of its spans, such as ``tau-airline/10/0``.
        task_id: the task it tried, shared by all its trials, such as ``tau-airline/10``.
        trial: which try at the task this was, from 0.
        first_user: what the agent was asked first.
        feedback: why it failed, in words; why it passed is not known.
    """

    conversation_id: str
    task_id: str
    trial: int
    first_user: str
    result: ReviewResult
    feedback: str | None


def read_outcomes(path: Path) -> list[Outcome]:
    """Read ``tau-sample.jsonl.gz``: one recorded run a line, with its result and the reference calls."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [_outcome(json.loads(line)) for line in lines]


def _outcome(run: Mapping[str, Any]) -> Outcome:
    result = ReviewResult.parse(run["result"])
    return Outcome(
        conversation_id=run["id"],
        task_id=run["task_id"],
        trial=run["trial"],
        first_user=run["first_user"],
        result=result,
        feedback=None if result is ReviewResult.PASS else _difference(run),
    )


def _difference(run: Mapping[str, Any]) -> str:
    """How the run's writing calls differ from the reference's, without names or numbers of the one customer."""
    expected = _writing_calls((call["name"], _arguments(call)) for call in run["gold_actions"])
    made = _writing_calls(
        (call["function"]["name"], _decoded(call["function"]["arguments"]))
        for message in run["messages"]
        for call in message.get("tool_calls") or ()
    )
    sentences = [
        *(f"It never called {name}." for name in expected if name not in made),
        *(f"It should not have called {name}." for name in made if name not in expected),
        *_argument_sentences(expected, made),
    ]
    return " ".join(sentences) or "Every call was right, but the customer did not get the answer asked for."


def _argument_sentences(expected: Mapping[str, Any], made: Mapping[str, Any]) -> Iterable[str]:
    for name in sorted(expected.keys() & made.keys()):
        wrong = sorted(key for key in expected[name] if expected[name][key] != made[name].get(key))
        if wrong:
            yield f"It called {name} with a wrong {', '.join(wrong)}."


def _arguments(call: Mapping[str, Any]) -> Mapping[str, Any]:
    return call.get("kwargs") or call.get("arguments") or {}


def _decoded(arguments: str) -> Any:
    """Arguments as the model wrote them; some recorded ones are not JSON, and such a call changed nothing."""
    try:
        return json.loads(arguments)
    except ValueError:
        return {}


def _writing_calls(calls: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The last arguments of each tool that changes something, in order of first use."""
    return {name: arguments for name, arguments in calls if not name.startswith(_READING_TOOLS)}
