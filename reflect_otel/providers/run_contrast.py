"""What a passed run did differently from a failed one of nearly the same task, by their tool calls. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from reflect_otel.model.trajectory import Trajectory
from reflect_otel.providers.tool_facts import Call, Effect, is_confirmed, read_calls
from reflect_otel.providers.tool_recoveries import find_stuck

_MOST_NAMES: Final = 4


def find_differences(passed: Trajectory, failed: Trajectory) -> list[str]:
    """One sentence per difference, the most telling first; empty when the calls show none."""
    good, bad = read_calls(passed), read_calls(failed)
    if not good and not bad:
        return []
    found = (
        _acted_differently(good, bad),
        _confirmed(passed, good, failed, bad),
        _looked_up_more(good, bad),
        _changed_arguments(good, bad),
        _got_past(good, bad),
        _acted_less_often(good, bad),
    )
    return [sentence for sentence in found if sentence]


def _acted_differently(good: Sequence[Call], bad: Sequence[Call]) -> str:
    done, wrong = _acting(good), _acting(bad)
    missing, extra = _names(done, wrong), _names(wrong, done)
    if missing and extra:
        return f"the passed run used {missing} where the failed one used {extra}."
    if missing:
        return f"the passed run carried it out with {missing}, which the failed one never called."
    if extra:
        return f"the failed run called {extra}; the passed one left that out."
    return ""


def _confirmed(passed: Trajectory, good: Sequence[Call], failed: Trajectory, bad: Sequence[Call]) -> str:
    first_good, first_bad = next(iter(_acting(good)), None), next(iter(_acting(bad)), None)
    if first_good is None or first_bad is None:
        return ""
    if is_confirmed(passed, good, first_good) and not is_confirmed(failed, bad, first_bad):
        return f"the passed run had the user confirm right before {first_good.name}; the failed one did not."
    return ""


def _looked_up_more(good: Sequence[Call], bad: Sequence[Call]) -> str:
    extra = _names(_looking(good), _looking(bad))
    return f"the passed run also looked things up with {extra}." if extra else ""


def _changed_arguments(good: Sequence[Call], bad: Sequence[Call]) -> str:
    """The arguments whose presence differs, or whose kind or number of values does: other values are the task's."""
    last_good = {call.name: call for call in _acting(good)}
    last_bad = {call.name: call for call in _acting(bad)}
    for name in last_good:
        if name not in last_bad:
            continue
        mine, theirs = last_good[name].arguments, last_bad[name].arguments
        changed = [key for key in dict.fromkeys((*mine, *theirs)) if _shape(mine, key) != _shape(theirs, key)]
        if changed:
            return f"{name} passed with other {', '.join(changed[:_MOST_NAMES])} than in the failed run."
    return ""


def _shape(arguments: object, key: str) -> object:
    value = arguments.get(key) if isinstance(arguments, dict) else None
    return (type(value).__name__, len(value) if isinstance(value, list | dict) else 0)


def _got_past(good: Sequence[Call], bad: Sequence[Call]) -> str:
    working = {call.name for call in good if not call.has_failed}
    for call in find_stuck(bad):
        if call.name in working:
            said = f" (“{call.error}”)" if call.error else ""
            return f"the failed run got stuck on {call.name}{said}, which worked in the passed one."
    return ""


def _acted_less_often(good: Sequence[Call], bad: Sequence[Call]) -> str:
    often, often_in_bad = (Counter(call.name for call in _acting(calls)) for calls in (good, bad))
    for name, done in often.items():
        wrong = often_in_bad[name]
        if wrong and wrong != done:
            said = "more often than the passed one" if wrong > done else "less often than was needed"
            return f"the failed run called {name} {said}; count the parts of the request before the first call."
    return ""


def _acting(calls: Iterable[Call]) -> list[Call]:
    return [call for call in calls if call.effect in (Effect.ACTS, Effect.HANDS_OVER) and not call.has_failed]


def _looking(calls: Iterable[Call]) -> list[Call]:
    return [call for call in calls if call.effect in (Effect.LOOKS_UP, Effect.COMPUTES) and not call.has_failed]


def _names(calls: Iterable[Call], without: Iterable[Call]) -> str:
    known = {call.name for call in without}
    return ", ".join(list(dict.fromkeys(call.name for call in calls if call.name not in known))[:_MOST_NAMES])
