"""One conversation out of many histories: each model call re-sends what came before, here it is stored once.

Calls are taken in order of their start. Each belongs to a thread: the calls whose histories continue one another.
What a call's history adds to its thread, and what the model answered, is appended to one transcript, so that every
decision point is a prefix of it. Agents that work side by side have threads of their own in the same transcript.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from reflect_otel.model.trajectory import Message, Role

Key: TypeAlias = tuple[Hashable, ...]

_RESPOKEN: Final = frozenset({Role.ASSISTANT, Role.TOOL})


@dataclass(eq=False, slots=True)
class Entry:
    """A message of the transcript.

    Attributes:
        is_new: it came up in this run, not in the history that the run started from.
    """

    message: Message
    is_new: bool


@dataclass(slots=True)
class _Thread:
    number: int
    keys: list[Key] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    system: set[str | None] = field(default_factory=set)


class Transcript:
    """The run's conversation while it is put together."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._threads: list[_Thread] = []
        self._holders: dict[Key, dict[int, None]] = {}
        self._keys: dict[int, tuple[Message, Key]] = {}

    def add_exchange(self, inputs: Sequence[Message], outputs: Sequence[Message]) -> Entry | None:
        """Append what this call's history and answer add; returns the last entry the call has seen or said."""
        spoken = [message for message in inputs if message.role is not Role.SYSTEM]
        keys = [self._key(message) for message in spoken]
        thread, known = self._find_thread(keys)
        is_first = thread is None
        if thread is None:
            thread = _Thread(number=len(self._threads))
            self._threads.append(thread)
        self._retell(thread, spoken[:known], keys)
        last = self._append_inputs(thread, inputs, keys, known, is_new=not is_first)
        for message in outputs:
            last = self._append(thread, message, message_key(message), is_new=True)
        return last or (thread.entries[-1] if thread.entries else None)

    def insert_after(self, anchor: Entry | None, message: Message) -> Entry:
        """Add a message that no history holds, right after ``anchor``, or in front of all."""
        entry = Entry(message, is_new=True)
        position = 0 if anchor is None else self.position(anchor) + 1
        self.entries.insert(position, entry)
        return entry

    def position(self, entry: Entry) -> int:
        """Index of an entry."""
        return next(index for index, other in enumerate(self.entries) if other is entry)

    def _key(self, message: Message) -> Key:
        """The message's key, worked out once: histories read one after the other share their messages."""
        known = self._keys.get(id(message))
        if known is None:
            known = self._keys[id(message)] = (message, message_key(message))
        return known[1]

    def _find_thread(self, keys: Sequence[Key]) -> tuple[_Thread | None, int]:
        """The thread that this history continues best, and how many of its messages that thread knows."""
        best: tuple[_Thread | None, int] = (None, 0)
        best_score = 0
        # without a message in common nothing aligns: calls that share none need not be compared
        sharing = {number for key in keys for number in self._holders.get(key, ())}
        for number in sorted(sharing, reverse=True):
            thread = self._threads[number]
            score, known = align(thread.keys, keys)
            if score > best_score:
                best, best_score = (thread, known), score
        return best

    def _append_inputs(
        self, thread: _Thread, inputs: Sequence[Message], keys: Sequence[Key], known: int, *, is_new: bool
    ) -> Entry | None:
        """Append what the thread does not know, in order, and system prompts that no thread has shown."""
        shown = {text for other in self._threads for text in other.system}
        last = None
        spoken = 0
        for message in inputs:
            if message.role is Role.SYSTEM:
                thread.system.add(message.content)
                if message.content not in shown:
                    self.entries.append(Entry(message, is_new=False))
                continue
            if spoken >= known:
                last = self._append(thread, message, keys[spoken], is_new=is_new)
            spoken += 1
        return last

    def _retell(self, thread: _Thread, spoken: Sequence[Message], keys: Sequence[Key]) -> None:
        """Fill what the first telling of a message lacked, and messages that the thread should have begun with."""
        same = _count_common(thread.keys, keys[: len(spoken)])
        for entry, message in zip(thread.entries, spoken[:same], strict=False):
            if entry.message is not message:
                entry.message = merge_tellings(entry.message, message)
        if same < len(spoken):
            self._retell_rest(thread, spoken[same:], keys[same:], is_begun=same > 0)

    def _retell_rest(
        self, thread: _Thread, spoken: Sequence[Message], keys: Sequence[Key], *, is_begun: bool
    ) -> None:
        places: dict[Key, list[Entry]] = {}
        for entry, key in zip(thread.entries, thread.keys, strict=True):
            places.setdefault(key, []).append(entry)
        unknown: list[tuple[Key, Message]] = []
        for key, message in zip(keys, spoken, strict=False):
            entries = places.get(key)
            if entries:
                entry = entries.pop(0) if len(entries) > 1 else entries[0]
                entry.message = merge_tellings(entry.message, message)
                self._insert_before(thread, entry, unknown)
                unknown, is_begun = [], True
            elif not is_begun or message.role not in _RESPOKEN:
                unknown.append((key, message))

    def _insert_before(self, thread: _Thread, entry: Entry, unknown: Sequence[tuple[Key, Message]]) -> None:
        for key, message in unknown:
            told = Entry(message, is_new=False)
            self.entries.insert(self.position(entry), told)
            index = thread.entries.index(entry)
            thread.entries.insert(index, told)
            thread.keys.insert(index, key)
            self._holders.setdefault(key, {})[thread.number] = None

    def _append(self, thread: _Thread, message: Message, key: Key, *, is_new: bool) -> Entry:
        entry = Entry(message, is_new)
        self.entries.append(entry)
        thread.entries.append(entry)
        thread.keys.append(key)
        self._holders.setdefault(key, {})[thread.number] = None
        return entry


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


def align(thread: Sequence[Key], history: Sequence[Key]) -> tuple[int, int]:
    """How well a history continues a thread: (messages in common, leading messages of the history that are known).

    Four cases: the history grows the thread; it is a part of it (a retry); its head was trimmed away, so that its
    beginning is the thread's end; single messages were rewritten on the way.
    """
    common = _count_common(thread, history)
    if common == len(thread) or common == len(history):
        return common, common
    trimmed = _find_overlap(thread, history, common)
    if trimmed:
        return common + trimmed, common + trimmed
    return _align_rewritten(thread, history, common)


def _count_common(thread: Sequence[Key], history: Sequence[Key]) -> int:
    """Length of the common beginning."""
    pairs = enumerate(zip(thread, history, strict=False))
    return next((index for index, (mine, theirs) in pairs if mine != theirs), min(len(thread), len(history)))


def _find_overlap(thread: Sequence[Key], history: Sequence[Key], pinned: int) -> int:
    """Length of the thread's end that the history, after ``pinned`` messages, begins with."""
    rest = history[pinned:]
    for start in range(max(pinned, len(thread) - len(rest)), len(thread)):
        if thread[start] == rest[0] and list(thread[start:]) == list(rest[: len(thread) - start]):
            return len(thread) - start
    return 0


def _align_rewritten(thread: Sequence[Key], history: Sequence[Key], common: int) -> tuple[int, int]:
    places = {key: index for index, key in enumerate(history)}
    told = set(thread)
    for back, key in enumerate(reversed(thread)):
        index = places.get(key)
        if index is not None:
            known = index + 1
            matched = sum(1 for item in history[:known] if item in told)
            # Answers after the last common message that the history tells in other words.
            while back and known < len(history) and history[known][0] == thread[len(thread) - back][0] != "user":
                known, back = known + 1, back - 1
            return (matched, known) if 2 * matched >= min(len(thread), index + 1) else (0, 0)
    return common, common


def merge_tellings(first: Message, second: Message) -> Message:
    """One message from two tellings of it."""
    if first == second:
        return first
    return replace(
        first,
        content=second.content if first.content is None else first.content,
        reasoning=first.reasoning or second.reasoning,
        finish_reason=first.finish_reason or second.finish_reason,
        name=first.name or second.name,
    )
