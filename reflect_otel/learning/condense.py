"""A trajectory in few words, for a language model to read: its head, its tail and every error. Pure.

Whatever stands in it is data: credentials are taken out, and each message is one plain line that cannot pass for a
delimiter, a role or markup.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reflect_otel.learning.augmentation import neutralise
from reflect_otel.learning.credentials import redact
from reflect_otel.model.plain_json import to_plain
from reflect_otel.model.trajectory import Message, Role, ToolResponse, Trajectory

TOOL_CHARACTERS: Final = 400
"""Longest arguments or answer of one tool call."""

MESSAGE_CHARACTERS: Final = 1_000
_FAILED: Final = ("error", "exception", "traceback", "failed", "failure")


@dataclass(frozen=True, slots=True)
class _Entry:
    text: str
    is_error: bool = False


def condense(trajectory: Trajectory, characters: int) -> str:
    """The conversation as numbered lines within so many characters; what is left out is counted in its place."""
    entries = list(_entries(trajectory))
    kept = _choose(entries, characters)
    lines: list[str] = []
    skipped = 0
    for number, entry in enumerate(entries):
        if number in kept:
            lines += [f"({skipped} left out)"] if skipped else []
            lines.append(entry.text)
            skipped = 0
        else:
            skipped += 1
    return "\n".join(lines + ([f"({skipped} left out)"] if skipped else []))


def quote(text: str, characters: int) -> str:
    """Untrusted text as one plain line without credentials, cut in the middle."""
    line = neutralise(redact(text))
    if len(line) <= characters:
        return line
    half = (characters - 3) // 2
    return f"{line[:half]} … {line[-half:]}"


def find_step_numbers(trajectory: Trajectory) -> list[int | None]:
    """The step that each message belongs to; ``None`` before the first answer."""
    ends = [len(step.messages) for step in trajectory.steps]
    numbers = (bisect_right(ends, position + 1) - 1 for position in range(len(trajectory.messages)))
    return [number if number >= 0 else None for number in numbers]


def _entries(trajectory: Trajectory) -> Iterable[_Entry]:
    for number, message in zip(find_step_numbers(trajectory), trajectory.messages, strict=True):
        label = "before" if number is None else f"step {number}"
        yield from _message_entries(label, message)
    if trajectory.error:
        yield _Entry(f"the run ended with an error - {quote(trajectory.error, TOOL_CHARACTERS)}", is_error=True)


def _message_entries(label: str, message: Message) -> Iterable[_Entry]:
    if message.content:
        size = TOOL_CHARACTERS if message.role in (Role.SYSTEM, Role.TOOL) else MESSAGE_CHARACTERS
        yield _Entry(f"{label} | {message.role.value} | {quote(message.content, size)}")
    for call in message.tool_calls or ():
        arguments = quote(str(to_plain(call.arguments)), TOOL_CHARACTERS)
        yield _Entry(f"{label} | call | {quote(call.name, 80)} {arguments}")
    if message.tool_response is not None:
        yield _answer_entry(label, message.tool_response)


def _answer_entry(label: str, answer: ToolResponse) -> _Entry:
    name = quote(answer.name, 80)
    if answer.error is not None:
        return _Entry(f"{label} | error of {name} | {quote(answer.error, TOOL_CHARACTERS)}", is_error=True)
    text = _text(answer.response)
    is_error = text.lstrip("{[\"' ").lower().startswith(_FAILED)
    return _Entry(f"{label} | answer of {name} | {quote(text, TOOL_CHARACTERS)}", is_error)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(to_plain(value))


def _choose(entries: Sequence[_Entry], characters: int) -> set[int]:
    """Errors first, up to half of the room, each after the call that led to it; then head and tail by turns."""
    kept: set[int] = set()
    left = characters
    for number, entry in enumerate(entries):
        if entry.is_error and left - _size(entries, (number - 1, number)) >= characters // 2:
            pair = {number, max(0, number - 1)} - kept
            left -= _size(entries, pair)
            kept |= pair
    for number in _from_both_ends(len(entries)):
        if number not in kept:
            left -= _size(entries, (number,))
            if left < 0:
                break
            kept.add(number)
    return kept


def _size(entries: Sequence[_Entry], numbers: Iterable[int]) -> int:
    return sum(len(entries[number].text) + 1 for number in numbers if number >= 0)


def _from_both_ends(count: int) -> Iterable[int]:
    for number in range((count + 1) // 2):
        yield number
        if count - 1 - number > number:
            yield count - 1 - number
