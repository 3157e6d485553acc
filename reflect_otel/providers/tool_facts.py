"""What a trajectory shows about its tool calls: which failed and how, what was repeated, what worked afterwards.

Pure and deterministic. Where a tool reports its failure only in words ("Error: user not found"), the words count.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from reflect_otel.model.trajectory import Role, ToolCall, ToolResponse, Trajectory


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
_NAME_PART: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_ERROR_WORDS: Final = re.compile(
    r"\s*(?:\w*(?:error|exception)(?=\s*:|\s+\w+ing\b|\s*$)|traceback\b|failed(?=\s*:|\s+to\b)|failure(?=\s*:))",
    re.IGNORECASE,
)
_ERROR_KEYS: Final = ("error", "errors", "exception", "error_message")
_SPECIFIC: Final = re.compile(r"https?://\S+|\S+@\S+|'[^']*'|\"[^\"]*\"|`[^`]*`|[\[{].*|[#$€£]?[\w./:-]*\d[\w./:-]*")
_PREAMBLE: Final = re.compile(r"^(?:(?:error|exception)\b[^:\n]{0,80}:\s*)+", re.IGNORECASE)
_MESSAGE: Final = re.compile(r"""['"]message['"]\s*:\s*(['"])(.+?)\1\s*[,}]""")
_LONGEST_REASON: Final = 110
_LONGEST_NAME: Final = 60
_LONGEST_WORDS: Final = 1_000
_MOST_OPEN_CALLS: Final = 200


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call with what came of it.

    Attributes:
        position: index of the asking message in ``trajectory.messages``.
        error: why it failed, without the values of this one task; ``None`` when it did not fail.
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
    def request(self) -> str:
        """The tool and its arguments; equal for calls that ask for the very same."""
        return json.dumps([self.name, self.arguments], sort_keys=True, default=str)


@dataclass(frozen=True, slots=True)
class Recovery:
    """A call that failed and the first later one that made good for it.

    Attributes:
        changed: names of the arguments that differ, when the same tool was called again.
        between: names of the tools called in between, in order, each once.
    """

    failed: Call
    worked: Call
    changed: tuple[str, ...] = ()
    between: tuple[str, ...] = ()


def read_calls(trajectory: Trajectory) -> tuple[Call, ...]:
    """The calls in order, each with its own answer: by id, else by name, else in order. Ids may repeat."""
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
    return tuple(
        Call(
            position,
            _clean_name(call.name),
            call.arguments,
            read_error(answers[number]) if number in answers else None,
        )
        for number, (position, call) in enumerate(asked)
    )


def read_error(answer: ToolResponse) -> str | None:
    """Why a tool failed, from its error field or the words of its answer; ``None`` when it did not fail."""
    words = answer.error if answer.error is not None else _error_words(answer.response)
    return None if words is None else build_gist(words)


def build_gist(words: str) -> str:
    """What a failure says, in one line, with the values of this one task left out."""
    quoted = _MESSAGE.search(words[:_LONGEST_WORDS])
    lines = [line.strip() for line in (quoted[2] if quoted else words).splitlines() if line.strip()] or [""]
    said = (lines[-1] if lines[0].lower().startswith("traceback") else " ".join(lines[:3]))[:_LONGEST_WORDS]
    said = _PREAMBLE.sub("", said) or said
    said = re.sub(r"…(?:[\s,;]*…)+", "…", _SPECIFIC.sub("…", said)).rstrip(" .:").lstrip("… :,-")
    said = said if len(said) <= _LONGEST_REASON else said[:_LONGEST_REASON].rsplit(" ", 1)[0] + "…"
    return said or "an error"


def _clean_name(name: str) -> str:
    """One line, also of a name that no tool should have."""
    return " ".join(name.split())[:_LONGEST_NAME] or "a tool"


def read_effect(name: str) -> Effect:
    """What a tool does, by the first verb in its name."""
    parts = (part.lower() for part in _NAME_PART.findall(name))
    return next((_EFFECTS[part] for part in parts if part in _EFFECTS), Effect.UNKNOWN)


def find_recoveries(calls: Sequence[Call]) -> tuple[Recovery, ...]:
    """For each failing tool, its first failure and what worked afterwards: itself later, else another one at once."""
    first_failures = {call.name: number for number, call in reversed(list(enumerate(calls))) if call.error}
    found = (_find_recovery(calls, number) for number in sorted(first_failures.values()))
    return tuple(recovery for recovery in found if recovery is not None)


def find_stuck(calls: Sequence[Call]) -> tuple[Call, ...]:
    """The last failure of each tool that never made good."""
    recovered = {recovery.failed.name for recovery in find_recoveries(calls)}
    return tuple({call.name: call for call in calls if call.error and call.name not in recovered}.values())


def find_repeated(calls: Sequence[Call]) -> Mapping[str, int]:
    """Tools called three times or more with the same arguments, or twice with the same failure, and how often."""
    requests: dict[str, list[Call]] = {}
    for call in calls:
        requests.setdefault(call.request, []).append(call)
    repeated: dict[str, int] = {}
    for same in requests.values():
        if len(same) >= 3 or (len(same) == 2 and all(call.error for call in same)):
            repeated[same[0].name] = max(len(same), repeated.get(same[0].name, 0))
    return repeated


def is_confirmed(trajectory: Trajectory, calls: Sequence[Call], call: Call) -> bool:
    """Whether the user spoke before this call and nothing new was looked up since."""
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


def _error_words(response: Any) -> str | None:
    if isinstance(response, str):
        if response.lstrip().startswith("{"):
            return _error_words(_parsed(response))
        return response if _ERROR_WORDS.match(response) else None
    if not isinstance(response, Mapping):
        return None
    named = next((response[key] for key in _ERROR_KEYS if response.get(key)), None)
    if named is None:
        return str(response.get("message") or "error") if response.get("isError") is True else None
    return str(named.get("message", named)) if isinstance(named, Mapping) else str(named)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _find_recovery(calls: Sequence[Call], number: int) -> Recovery | None:
    failed, later = calls[number], calls[number + 1 :]
    again = next((call for call in later if call.name == failed.name and call.error is None), None)
    if again is not None:
        between = (call.name for call in later[: later.index(again)] if _helped(call, failed))
        return Recovery(failed, again, _changed(failed, again), tuple(dict.fromkeys(between)))
    acted = next((call for call in later if call.effect is not Effect.THINKS and call.name != failed.name), None)
    if acted is None or acted.error or acted.effect is not failed.effect:
        return None
    return Recovery(failed, acted)


def _helped(call: Call, failed: Call) -> bool:
    return call.name != failed.name and not call.error and call.effect is not Effect.THINKS


def _changed(before: Call, after: Call) -> tuple[str, ...]:
    keys = dict.fromkeys((*before.arguments, *after.arguments))
    return tuple(key for key in keys if before.arguments.get(key) != after.arguments.get(key))
