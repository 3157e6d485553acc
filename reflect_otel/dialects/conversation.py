"""One conversation out of many histories: each model call re-sends what came before, here it is stored once.

Calls are taken in order of their start. Each belongs to a thread: the calls whose histories continue one another.
What a call's history adds to its thread, and what the model answered, is appended to one transcript, so that every
decision point is a prefix of it. Agents that work side by side have threads of their own in the same transcript.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from reflect_otel.dialects.threads import Entry, Key, Thread, count_common, merge_tellings, message_key
from reflect_otel.model.trajectory import Message, Role

_RESPOKEN: Final = frozenset({Role.ASSISTANT, Role.TOOL})
_COMPARED: Final = 16
"""How many threads, the latest first, a history is compared with where many share a message with it."""


class Transcript:
    """The run's conversation while it is put together."""

    def __init__(self) -> None:
        self._first: Entry | None = None
        self._last: Entry | None = None
        self._threads: list[Thread] = []
        self._holders: dict[Key, dict[int, None]] = {}
        self._begun: dict[int, dict[int, None]] = {}
        self._keys: dict[int, tuple[Message, Key]] = {}
        self._prompts: set[str | None] = set()

    @property
    def is_empty(self) -> bool:
        """True when nothing has been told yet."""
        return self._first is None

    def entries(self) -> Iterator[Entry]:
        """The messages in order."""
        entry = self._first
        while entry is not None:
            yield entry
            entry = entry.after

    def add_exchange(self, inputs: Sequence[Message], outputs: Sequence[Message]) -> Entry | None:
        """Append what this call's history and answer add; returns the last entry the call has seen or said."""
        history = tuple(inputs)
        thread, last = self._continue_thread(history) or self._add_history(history)
        for message in outputs:
            last = self._append(thread, message, message_key(message), is_new=True)
        return last or (thread.entries[-1] if thread.entries else None)

    def insert_after(self, anchor: Entry | None, message: Message) -> Entry:
        """Add a message that no history holds, right after ``anchor``, or in front of all."""
        entry = Entry(message, is_new=True)
        self._link(anchor, entry)
        return entry

    def _link(self, before: Entry | None, entry: Entry) -> None:
        after = self._first if before is None else before.after
        entry.before, entry.after = before, after
        if before is None:
            self._first = entry
        else:
            before.after = entry
        if after is None:
            self._last = entry
        else:
            after.before = entry

    def _key(self, message: Message) -> Key:
        """The message's key, worked out once: histories read one after the other share their messages."""
        known = self._keys.get(id(message))
        if known is None:
            known = self._keys[id(message)] = (message, message_key(message))
        return known[1]

    def _continue_thread(self, history: tuple[Message, ...]) -> tuple[Thread, Entry | None] | None:
        """A history that begins with the very messages of a thread's latest one: only the rest is looked at."""
        thread = self._find_told(history)
        if thread is None:
            return None
        rest = history[len(thread.told) :]
        keys = [self._key(message) for message in rest]
        unanswered = thread.spoken.keys[thread.told_spoken :]
        common = count_common(unanswered, keys)
        if common < min(len(unanswered), len(keys)) or any(message.role is Role.SYSTEM for message in rest):
            return None
        if any(number != thread.number for key in keys[common:] for number in self._holders.get(key, ())):
            return None
        for entry, message in zip(thread.entries[thread.told_spoken :], rest[:common], strict=False):
            entry.message = merge_tellings(entry.message, message)
        last = None
        for message, key in zip(rest[common:], keys[common:], strict=True):
            last = self._append(thread, message, key, is_new=True)
        self._remember(thread, history, thread.told_spoken + len(rest))
        return thread, last

    def _find_told(self, history: tuple[Message, ...]) -> Thread | None:
        """The thread whose latest history is the longest beginning of this one, message by message the same."""
        opening = _find_opening(history)
        begun = [self._threads[number] for number in self._begun.get(id(opening), ())]
        told = [thread for thread in begun if thread.told and history[: len(thread.told)] == thread.told]
        return max(told, key=lambda thread: len(thread.told), default=None)

    def _remember(self, thread: Thread, history: tuple[Message, ...], spoken: int) -> None:
        thread.told, thread.told_spoken = history, spoken
        opening = _find_opening(history)
        if opening is not None:
            self._key(opening)  # keeps the message, whose id would otherwise be given to another one
            _hold(self._begun.setdefault(id(opening), {}), thread.number)

    def _add_history(self, history: tuple[Message, ...]) -> tuple[Thread, Entry | None]:
        spoken = [message for message in history if message.role is not Role.SYSTEM]
        keys = [self._key(message) for message in spoken]
        thread, known = self._find_thread(keys)
        is_first = thread is None
        if thread is None:
            thread = Thread(number=len(self._threads))
            self._threads.append(thread)
        self._retell(thread, spoken[:known], keys)
        last = self._append_inputs(thread, history, keys, known, is_new=not is_first)
        is_whole = thread.spoken.keys[: len(keys)] == keys
        self._remember(thread, history if is_whole else (), len(keys))
        return thread, last

    def _find_thread(self, keys: Sequence[Key]) -> tuple[Thread | None, int]:
        """The thread that this history continues best, and how many of its messages that thread knows."""
        best: tuple[Thread | None, int] = (None, 0)
        best_score = 0
        # without a message in common nothing aligns: calls that share none need not be compared
        sharing = {number for key in keys for number in self._holders.get(key, ())}
        for number in sorted(sharing, reverse=True)[:_COMPARED]:
            thread = self._threads[number]
            score, known = thread.spoken.align(keys)
            if score > best_score:
                best, best_score = (thread, known), score
        return best

    def _append_inputs(
        self, thread: Thread, inputs: Sequence[Message], keys: Sequence[Key], known: int, *, is_new: bool
    ) -> Entry | None:
        """Append what the thread does not know, in order, and system prompts that no call has shown."""
        last = None
        spoken = 0
        for message in inputs:
            if message.role is Role.SYSTEM:
                if message.content not in self._prompts:
                    self._prompts.add(message.content)
                    is_late = bool(thread.entries) and not thread.is_prompted
                    self._link(thread.entries[0].before if is_late else self._last, Entry(message, is_new=False))
                thread.is_prompted = True
                continue
            if spoken >= known:
                last = self._append(thread, message, keys[spoken], is_new=is_new)
            spoken += 1
        return last

    def _retell(self, thread: Thread, spoken: Sequence[Message], keys: Sequence[Key]) -> None:
        """Fill what the first telling of a message lacked, and messages that the thread should have begun with."""
        same = count_common(thread.spoken.keys, keys[: len(spoken)])
        for entry, message in zip(thread.entries, spoken[:same], strict=False):
            entry.message = merge_tellings(entry.message, message)
        if same < len(spoken):
            self._retell_rest(thread, spoken[same:], keys[same:], is_begun=same > 0)

    def _retell_rest(self, thread: Thread, spoken: Sequence[Message], keys: Sequence[Key], *, is_begun: bool) -> None:
        told = set(keys)
        places: dict[Key, deque[Entry]] = {}
        for entry, key in zip(thread.entries, thread.spoken.keys, strict=True):
            if key in told:
                places.setdefault(key, deque()).append(entry)
        added: dict[Entry, list[tuple[Key, Entry]]] = {}
        unknown: list[tuple[Key, Message]] = []
        for key, message in zip(keys, spoken, strict=False):
            entries = places.get(key)
            if entries:
                entry = entries.popleft() if len(entries) > 1 else entries[0]
                entry.message = merge_tellings(entry.message, message)
                added.setdefault(entry, []).extend(self._link_before(thread, entry, unknown))
                unknown, is_begun = [], True
            elif not is_begun or message.role not in _RESPOKEN:
                unknown.append((key, message))
        if any(added.values()):
            thread.insert_before(added)

    def _link_before(
        self, thread: Thread, entry: Entry, unknown: Sequence[tuple[Key, Message]]
    ) -> Iterator[tuple[Key, Entry]]:
        for key, message in unknown:
            told = Entry(message, is_new=False)
            self._link(entry.before, told)
            _hold(self._holders.setdefault(key, {}), thread.number)
            yield key, told

    def _append(self, thread: Thread, message: Message, key: Key, *, is_new: bool) -> Entry:
        entry = Entry(message, is_new)
        self._link(self._last, entry)
        thread.append(key, entry)
        _hold(self._holders.setdefault(key, {}), thread.number)
        return entry


def _find_opening(history: Sequence[Message]) -> Message | None:
    """The first message that is no system prompt."""
    return next((message for message in history if message.role is not Role.SYSTEM), None)


def _hold(holders: dict[int, None], number: int) -> None:
    """Note a thread as the latest one."""
    holders.pop(number, None)
    holders[number] = None
    if len(holders) > _COMPARED:
        del holders[next(iter(holders))]
