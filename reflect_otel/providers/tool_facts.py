"""What a trajectory shows about its tool calls: what each did, which failed and how, what was repeated.

Pure and deterministic.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from reflect_otel.model.trajectory import Role, ToolCall, ToolResponse, Trajectory
from reflect_otel.providers.tool_failures import read_error
from reflect_otel.providers.written_actions import WrittenAction, read_written_actions


class Effect(Enum):
    """What a tool does, judged by the verb in its name."""

    LOOKS_UP = auto()
    COMPUTES = auto()
    ACTS = auto()
    HANDS_OVER = auto()
    THINKS = auto()
    UNKNOWN = auto()


_VERBS: Final = {
    Effect.LOOKS_UP: """
        get list find search lookup look read fetch query retrieve check count describe show view browse verify
        inspect grep select load download preview prepare""",
    Effect.COMPUTES: "calculate calculator compute estimate convert validate parse format",
    Effect.ACTS: """
        book cancel update modify create delete send issue refund exchange return submit post put insert write pay add
        remove set edit change place purchase buy order schedule apply approve reject close open upload commit deploy
        restart merge move rename assign execute drop reset enable disable register charge""",
    Effect.HANDS_OVER: "transfer escalate handoff handover",
    Effect.THINKS: "think plan reflect reason",
}
_EFFECTS: Final = {verb: effect for effect, verbs in _VERBS.items() for verb in verbs.split()}
_PASSING_ON: Final = frozenset({"transfer", "handoff", "handover"})
_PEOPLE: Final = frozenset(
    {"human", "humans", "person", "people", "representative", "operator", "staff", "supervisor", "support"}
)
COMMAND_KEYS: Final = frozenset({"command", "cmd", "commands", "code", "script"})
_NAME_PART: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_TOOLS: Final = re.compile(r"\b(?:tools?|function[ -]calls?|functions?)\b", re.IGNORECASE)
_LONGEST_INSTRUCTIONS: Final = 50_000
_LONGEST_NAME: Final = 60
_MOST_OPEN_CALLS: Final = 200


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call with what came of it.

    Attributes:
        position: index of the asking message in ``trajectory.messages``.
        error: why it failed, without the values of this one task; empty when that is not known, ``None`` when it did
            not fail.
    """

    position: int
    name: str
    arguments: Mapping[str, Any]
    error: str | None = None

    @property
    def effect(self) -> Effect:
        """What the tool does, by its name."""
        return read_effect(self.name)

    @property
    def has_failed(self) -> bool:
        """Whether it failed, for whatever reason."""
        return self.error is not None

    @property
    def is_command(self) -> bool:
        """Whether it runs whatever it is given, so that its name tells nothing."""
        return not COMMAND_KEYS.isdisjoint(self.arguments)

    @property
    def request(self) -> str:
        """The tool and its arguments; equal for calls that ask for the very same."""
        return json.dumps([self.name, self.arguments], sort_keys=True, default=str)


def read_calls(trajectory: Trajectory) -> tuple[Call, ...]:
    """The calls in order, each with its own answer: by id, else by name, else in order. Ids may repeat.

    An agent that calls none may write its actions into its answers; then those are the calls.
    """
    asked: list[tuple[int, ToolCall]] = []
    answers: dict[int, ToolResponse] = {}
    open_calls: list[int] = []
    for position, message in enumerate(trajectory.messages):
        for call in message.tool_calls or ():
            open_calls.append(len(asked))
            asked.append((position, call))
        if message.tool_response is not None and open_calls:
            match = _find_asked(message.tool_response, open_calls, asked)
            open_calls.remove(match)
            answers[match] = message.tool_response
        del open_calls[:-_MOST_OPEN_CALLS]
    if not asked:
        return tuple(map(_read_written, read_written_actions(trajectory)))
    return tuple(
        Call(
            position,
            _clean_name(call.name),
            call.arguments,
            _read_outcome(call.name, answers.get(number)),
        )
        for number, (position, call) in enumerate(asked)
    )


def _read_written(action: WrittenAction) -> Call:
    answer = ToolResponse(name=action.name, response=action.observed)
    return Call(action.position, action.name, {"input": action.given}, _read_outcome(action.name, answer))


def _read_outcome(name: str, answer: ToolResponse | None) -> str | None:
    return None if answer is None else read_error(answer, is_lookup=read_effect(name) is Effect.LOOKS_UP)


def _clean_name(name: str) -> str:
    """One line, also of a name that no tool should have."""
    return " ".join(name.split())[:_LONGEST_NAME] or "a tool"


def read_effect(name: str) -> Effect:
    """What a tool does, by the first verb in its name.

    A transfer to people hands over; one to something else passes the work to another agent, which tells nothing; one
    of something (``transfer_funds``) acts.
    """
    parts = [part.lower() for part in _NAME_PART.findall(name)]
    verb = next((part for part in parts if part in _EFFECTS), "")
    if verb in _PASSING_ON and _PEOPLE.isdisjoint(parts):
        return Effect.UNKNOWN if "to" in parts or verb != "transfer" else Effect.ACTS
    return _EFFECTS.get(verb, Effect.UNKNOWN)


def find_repeated(calls: Sequence[Call]) -> Mapping[str, int]:
    """Tools called three times or more with the same arguments, or twice with the same failure, and how often."""
    requests: dict[str, list[Call]] = {}
    for call in calls:
        requests.setdefault(call.request, []).append(call)
    repeated: dict[str, int] = {}
    for same in requests.values():
        if len(same) >= 3 or (len(same) == 2 and all(call.has_failed for call in same)):
            repeated[same[0].name] = max(len(same), repeated.get(same[0].name, 0))
    return repeated


def is_conversation(trajectory: Trajectory) -> bool:
    """Whether a user spoke again after the agent had answered: one who could have been asked.

    Where actions are written, what stands as the user's words are observations.
    """
    if not any(message.tool_calls for message in trajectory.messages) and read_written_actions(trajectory):
        return False
    roles = [message.role for message in trajectory.messages if message.role in (Role.USER, Role.ASSISTANT)]
    return Role.USER in roles[roles.index(Role.ASSISTANT) :] if Role.ASSISTANT in roles else False


def has_tools(trajectory: Trajectory, calls: Sequence[Call]) -> bool:
    """Whether the run shows that its agent has tools: it called one, or its instructions speak of them."""
    told = (message.content or "" for message in trajectory.messages if message.role is Role.SYSTEM)
    return bool(calls) or any(_TOOLS.search(text[:_LONGEST_INSTRUCTIONS]) for text in told)


def is_confirmed(trajectory: Trajectory, calls: Sequence[Call], call: Call) -> bool:
    """Whether the user spoke before this call and nothing new was looked up since."""
    if not trajectory.messages[call.position].tool_calls:
        return False  # a written action: nobody but the environment answers
    before = trajectory.messages[: call.position]
    spoke = next((i for i in range(len(before) - 1, -1, -1) if before[i].role is Role.USER), None)
    if spoke is None or all(message.role is not Role.ASSISTANT for message in before[:spoke]):
        return False
    since = (other for other in calls if spoke < other.position < call.position)
    return not any(other.effect is Effect.LOOKS_UP for other in since)


def _find_asked(answer: ToolResponse, open_calls: list[int], asked: list[tuple[int, ToolCall]]) -> int:
    by_id = (number for number in open_calls if answer.id and asked[number][1].id == answer.id)
    by_name = (number for number in open_calls if answer.name and asked[number][1].name == answer.name)
    return next(by_id, next(by_name, open_calls[0]))
