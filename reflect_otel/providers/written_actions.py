"""Actions that an agent writes into its answers, as ReAct agents do, with the observations that follow them. Pure.

``Action: search[query]``, ``Action: search`` with an ``Action Input:`` line behind it, or a message that is one line
``> open drawer``. Numbers behind the words are allowed.

Source: Yao et al., "ReAct: Synergizing Reasoning and Acting in Language Models", ICLR 2023.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reflect_otel.model.trajectory import Message, Role, Trajectory

_FEWEST: Final = 2
"""One line that looks like an action may be anything."""
_LONGEST_MESSAGE: Final = 50_000
_ACTION: Final = re.compile(
    r"^[ \t]{0,8}\**Action(?: ?\d{1,4})?\**[ \t]?:[ \t]*(?P<name>[A-Za-z][\w-]{0,40})(?P<given>[^\n]{0,1000})$"
    r"(?:\n{1,2}[ \t]{0,8}\**Action Input\**[ \t]?:[ \t]*(?P<input>[^\n]{0,1000}))?",
    re.MULTILINE,
)
_COMMAND: Final = re.compile(r"\s*>[ \t]*+(?P<name>[a-z]{2,20})\b:?(?P<given>[^\n]{0,400}+)\s*")
_OBSERVATION: Final = re.compile(r"^[ \t]{0,8}\**Observation(?: ?\d{1,4})?\**[ \t]?:[ \t]*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class WrittenAction:
    """One action: ``position`` is the index of the message it stands in, ``observed`` what came of it, if told."""

    position: int
    name: str
    given: str
    observed: str | None


def read_written_actions(trajectory: Trajectory) -> Sequence[WrittenAction]:
    """The actions in order; empty unless there are several."""
    found = [
        action for position in range(len(trajectory.messages)) for action in _iter(trajectory.messages, position)
    ]
    return found if len(found) >= _FEWEST else ()


def _iter(messages: Sequence[Message], position: int) -> Iterator[WrittenAction]:
    message = messages[position]
    if message.role is not Role.ASSISTANT or not message.content:
        return
    text = message.content[:_LONGEST_MESSAGE]
    command = _COMMAND.fullmatch(text)
    matches = [command] if command else list(_ACTION.finditer(text))
    for number, match in enumerate(matches):
        is_last = number + 1 == len(matches)
        behind = text[match.end() : len(text) if is_last else matches[number + 1].start()]
        fields = match.groupdict()
        given = (fields.get("input") or fields["given"] or "").strip(" []()*")
        yield WrittenAction(
            position, match["name"], given, _observed(behind, messages, position if is_last else None)
        )


def _observed(behind: str, messages: Sequence[Message], position: int | None) -> str | None:
    """What is said behind the action, or in the next message when it is the last one of its own."""
    told = _OBSERVATION.search(behind)
    if told:
        return behind[told.end() :]
    after = messages[position + 1] if position is not None and position + 1 < len(messages) else None
    if after is None or after.role not in (Role.USER, Role.TOOL) or not after.content:
        return None
    return _OBSERVATION.sub("", after.content[:_LONGEST_MESSAGE], count=1)
