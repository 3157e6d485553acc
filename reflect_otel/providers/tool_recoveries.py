"""What worked after a tool call had failed, and which tools never got past their failure.

Pure and deterministic. Work is in proportion to the calls, also where each is of a tool of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from reflect_otel.providers.tool_facts import COMMAND_KEYS, Call, Effect


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


def find_recoveries(calls: Sequence[Call]) -> Iterator[Recovery]:
    """For each failing tool, its first failure and what worked afterwards: itself later, else another one at once."""
    history = _History(calls)
    for number in sorted(history.first_failures.values()):
        failed, at = calls[number], history.find_success(number)
        if at is not None:
            between = (call.name for call in islice(calls, number + 1, at) if _helped(call, failed))
            yield Recovery(failed, calls[at], _changed(failed, calls[at]), tuple(dict.fromkeys(between)))
        elif (other := history.find_replacement(number)) is not None:
            yield Recovery(failed, other)


def find_stuck(calls: Sequence[Call]) -> tuple[Call, ...]:
    """The last failure of each tool that neither worked afterwards nor was replaced by another that did."""
    history = _History(calls)
    last = {call.name: call for call in calls}
    return tuple(call for call in last.values() if call.has_failed and not history.has_recovered(call.name))


class _History:
    """The calls by tool, looked through once: a run may hold thousands, each of a tool of its own.

    Attributes:
        first_failures: place of each failing tool's first failure.
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls = calls
        self._places: dict[str, list[int]] = {}
        self.first_failures: dict[str, int] = {}
        for at, call in enumerate(calls):
            self._places.setdefault(call.name, []).append(at)
            if call.has_failed:
                self.first_failures.setdefault(call.name, at)
        self._acting_next = _find_acting_next(calls)

    def has_recovered(self, name: str) -> bool:
        """Whether anything made good for the tool's first failure."""
        number = self.first_failures[name]
        return self.find_success(number) is not None or self.find_replacement(number) is not None

    def find_success(self, number: int) -> int | None:
        """Where the failed tool worked later, at best with the very same request, if that tries the same again."""
        same = [at for at in self._places[self._calls[number].name] if at > number]
        working = [at for at in same if not self._calls[at].has_failed]
        if not working:
            return None
        request = self._calls[number].request
        again = next((at for at in working if self._calls[at].request == request), working[0])
        return again if self._is_retry(number, again) else None

    def find_replacement(self, number: int) -> Call | None:
        """The other tool that was called next and did what the failed one, which never worked, was to do."""
        failed = self._calls[number]
        if any(at > number and not self._calls[at].has_failed for at in self._places[failed.name]):
            return None
        at = self._acting_next[number]
        while at is not None and self._calls[at].name == failed.name:
            at = self._acting_next[at]
        if at is None:
            return None
        acted = self._calls[at]
        replaces = not acted.has_failed and acted.effect is failed.effect and acted.effect is not Effect.UNKNOWN
        return acted if replaces else None

    def _is_retry(self, number: int, again: int) -> bool:
        """Whether the later call tries the same again, and is not merely the next of many or another command."""
        failed, worked = self._calls[number], self._calls[again]
        changed = _changed(failed, worked)
        if not changed or not COMMAND_KEYS.isdisjoint(changed):
            return not changed
        if len(changed) < len({*failed.arguments, *worked.arguments}):
            return True
        others = (self._calls[at] for at in self._places[failed.name] if at not in (number, again))
        return all(call.has_failed == (call.position < worked.position) for call in others)


def _find_acting_next(calls: Sequence[Call]) -> Sequence[int | None]:
    """For each call, the place of the next that is no thinking aloud."""
    following: list[int | None] = [None] * len(calls)
    for at in range(len(calls) - 1, 0, -1):
        following[at - 1] = following[at] if calls[at].effect is Effect.THINKS else at
    return following


def _helped(call: Call, failed: Call) -> bool:
    return call.name != failed.name and not call.has_failed and call.effect is not Effect.THINKS


def _changed(before: Call, after: Call) -> tuple[str, ...]:
    keys = dict.fromkeys((*before.arguments, *after.arguments))
    return tuple(key for key in keys if before.arguments.get(key) != after.arguments.get(key))
