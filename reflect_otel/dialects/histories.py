"""Histories that are sent again and again: what was already read of one is taken over, only its new end is parsed.

Each model call carries the whole conversation so far as JSON text, so a run of n turns holds n texts of which each
begins with the one before. Parsing every text in full would cost the square of the run's length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from reflect_otel.dialects.decoding import decode
from reflect_otel.dialects.messages import join_turns, read_messages, split_messages
from reflect_otel.model.trajectory import Message, Role

_REMEMBERED: Final = 8
_WORTH_CHARACTERS: Final = 1024


@dataclass(frozen=True, slots=True)
class _History:
    """A history as it was read: its text without the closing bracket, and its messages."""

    role: Role
    head: str
    messages: tuple[Message, ...]


class _RecentHistories:
    """The last few histories, newest first. The tuple is replaced as a whole, so readers need no lock."""

    def __init__(self) -> None:
        self._histories: tuple[_History, ...] = ()

    def find_start(self, text: str, role: Role) -> _History | None:
        """The longest known history that this text continues."""
        known = [item for item in self._histories if item.role is role and text.startswith(item.head)]
        return max(known, key=lambda item: len(item.head), default=None)

    def add(self, history: _History, continued: _History | None) -> None:
        """Remember a history, in place of the one it continues."""
        others = tuple(item for item in self._histories if item is not continued)
        self._histories = (history, *others)[:_REMEMBERED]


_RECENT: Final = _RecentHistories()


def read_history(value: Any, role: Role = Role.USER, problems: list[str] | None = None) -> tuple[Message, ...]:
    """The same messages as :func:`read_messages` gives, faster for text that continues one read before."""
    if not isinstance(value, str) or len(value) < _WORTH_CHARACTERS or value[0] != "[" or value[-1] != "]":
        return read_messages(value, role, problems)
    start = _RECENT.find_start(value, role)
    added = _read_added(value, start, role) if start is not None else None
    if start is None or added is None:
        faults: list[str] = []
        messages = read_messages(value, role, faults)
        if faults:
            if problems is not None:
                problems += faults
            return messages
    else:
        messages = join_turns(start.messages, added)
    _RECENT.add(_History(role, value[:-1], messages), start)
    return messages


def _read_added(text: str, start: _History, role: Role) -> Sequence[Message] | None:
    """The messages after the known start; ``None`` when the rest does not continue the list."""
    rest = text[len(start.head) :].lstrip()
    if rest == "]":
        return ()
    if not rest.startswith(","):
        return None
    faults: list[str] = []
    added = decode("[" + rest[1:], faults)
    return tuple(split_messages(added, role)) if isinstance(added, list) and not faults else None
