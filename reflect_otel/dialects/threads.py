"""Threads of a conversation: the calls whose histories continue one another, and how a history continues one.

Messages are compared by key, since ids, or text beside tool calls, may differ between two tellings of one message.
Work is in proportion to the history, however long the thread has grown.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from reflect_otel.model.trajectory import Message

Key: TypeAlias = tuple[Hashable, ...]


@dataclass(eq=False, slots=True)
class Entry:
    """A message of the transcript.

    Attributes:
        is_new: it came up in this run, not in the history that the run started from.
        before, after: its neighbours in the transcript.
    """

    message: Message
    is_new: bool
    before: "Entry | None" = None
    after: "Entry | None" = None


@dataclass(eq=False, slots=True)
class Spoken:
    """Messages of one conversation as keys, in order, to compare histories with; system prompts aside.

    Attributes:
        places: last position of each key.
    """

    keys: list[Key] = field(default_factory=list)
    places: dict[Key, int] = field(default_factory=dict)

    def append(self, key: Key) -> None:
        """Add a message at the end."""
        self.places[key] = len(self.keys)
        self.keys.append(key)

    def replace(self, keys: Iterable[Key]) -> None:
        """Hold these messages instead."""
        self.keys = list(keys)
        self.places = {key: position for position, key in enumerate(self.keys)}

    def align(self, history: Sequence[Key]) -> tuple[int, int]:
        """How well a history continues this: (messages in common, leading ones of the history that are known).

        Four cases: the history grows what was spoken; it is a part of it (a retry); its head was trimmed away, so
        that its beginning is the end of what was spoken; single messages were rewritten on the way.
        """
        common = count_common(self.keys, history)
        if common == len(self.keys) or common == len(history):
            return common, common
        trimmed = self._find_overlap(history, common)
        if trimmed:
            return common + trimmed, common + trimmed
        return self._align_rewritten(history, common)

    def _find_overlap(self, history: Sequence[Key], pinned: int) -> int:
        """Length of the end of what was spoken that the history, after ``pinned`` messages, begins with."""
        rest = history[pinned:]
        repeats = _read_repeats(rest)
        overlap = 0
        for key in self.keys[max(pinned, len(self.keys) - len(rest)) :]:
            while overlap and rest[overlap] != key:
                overlap = repeats[overlap - 1]
            overlap += rest[overlap] == key
        return overlap

    def _align_rewritten(self, history: Sequence[Key], common: int) -> tuple[int, int]:
        shared = [(self.places[key], index) for index, key in enumerate(history) if key in self.places]
        if not shared:
            return common, common
        place, index = max(shared)
        known, back = index + 1, len(self.keys) - 1 - place
        # Answers after the last common message that the history tells in other words.
        while back and known < len(history) and history[known][0] == self.keys[-back][0] != "user":
            known, back = known + 1, back - 1
        matched = sum(1 for _, position in shared if position <= index)
        return (matched, known) if 2 * matched >= min(len(self.keys), index + 1) else (0, 0)


@dataclass(eq=False, slots=True)
class Thread:
    """One conversation within the run.

    Attributes:
        entries: the messages of ``spoken`` in the transcript.
        is_prompted: a system prompt of it has been told.
        told: the latest history, where the thread begins with the very messages of it; ``told_spoken`` of them
            are no system prompts.
    """

    number: int
    spoken: Spoken = field(default_factory=Spoken)
    entries: list[Entry] = field(default_factory=list)
    is_prompted: bool = False
    told: tuple[Message, ...] = ()
    told_spoken: int = 0

    def append(self, key: Key, entry: Entry) -> None:
        """Add a message at the end."""
        self.spoken.append(key)
        self.entries.append(entry)

    def insert_before(self, added: Mapping[Entry, Sequence[tuple[Key, Entry]]]) -> None:
        """Add messages in front of others.

        Args:
            added: what comes in front of each entry.
        """
        told: list[tuple[Key, Entry]] = []
        for key, entry in zip(self.spoken.keys, self.entries, strict=True):
            told += (*added.get(entry, ()), (key, entry))
        self.spoken.replace(key for key, _ in told)
        self.entries = [entry for _, entry in told]


def _read_repeats(keys: Sequence[Key]) -> list[int]:
    """For each beginning of a sequence, how long an end of it the sequence begins with (Knuth, Morris and Pratt)."""
    repeats = [0] * len(keys)
    length = 0
    for index in range(1, len(keys)):
        while length and keys[index] != keys[length]:
            length = repeats[length - 1]
        length += keys[index] == keys[length]
        repeats[index] = length
    return repeats


def count_common(first: Sequence[Key], second: Sequence[Key]) -> int:
    """Length of the common beginning."""
    for index, (mine, theirs) in enumerate(zip(first, second, strict=False)):
        if mine != theirs:
            return index
    return min(len(first), len(second))


def message_key(message: Message) -> Key:
    """Equal for two tellings of one message, though ids, or text beside tool calls, may differ between them."""
    if message.tool_calls:
        return (
            "calls",
            *((call.name, repr(sorted(call.arguments.items(), key=_first))) for call in message.tool_calls),
        )
    response = message.tool_response
    if response is not None and response.id:
        return ("tool", response.id)
    return (message.role.value, (message.content or "").strip())


def _first(item: tuple[str, object]) -> str:
    return item[0]


def merge_tellings(first: Message, second: Message) -> Message:
    """One message from two tellings of it."""
    if first is second:
        return first
    content = second.content if first.content is None else first.content
    reasoning = first.reasoning or second.reasoning
    finish_reason = first.finish_reason or second.finish_reason
    name, usage = first.name or second.name, first.usage or second.usage
    told = (first.content, first.reasoning, first.finish_reason, first.name, first.usage)
    if (content, reasoning, finish_reason, name, usage) == told:
        return first
    return replace(first, content=content, reasoning=reasoning, finish_reason=finish_reason, name=name, usage=usage)
