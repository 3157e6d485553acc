"""The reflector that needs no language model: it says what the trajectory shows, in fixed sentences.

Deterministic: the same run gives the same bytes. It is specific where the run allows (which tool failed and how, what
was changed before it worked, what was done without asking) and silent where there is nothing to say. Names, ids and
numbers of the one task are left out as far as that can be told from the text.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from reflect_otel.model.memory import MemoryKind
from reflect_otel.model.notes import strip_notes
from reflect_otel.model.reflection import LearningInput, Reflection
from reflect_otel.model.review import ReviewResult
from reflect_otel.model.task_values import TaskValues
from reflect_otel.model.trajectory import Role, TerminationReason, Trajectory
from reflect_otel.providers.lesson_wording import (
    build_feedback,
    build_opening,
    build_quotation,
    cut,
    hide_values,
    join,
    listed,
)
from reflect_otel.providers.outages import is_outage
from reflect_otel.providers.run_contrast import find_differences
from reflect_otel.providers.tool_facts import (
    Call,
    Effect,
    find_repeated,
    has_tools,
    is_confirmed,
    is_conversation,
    read_calls,
)
from reflect_otel.providers.tool_failures import build_gist
from reflect_otel.providers.tool_recoveries import Recovery, find_recoveries, find_stuck

LONGEST_TEXT: Final = 600
_LONGEST_QUESTION: Final = 140
_LONGEST_READ: Final = 1_000
_MOST_CHECKED: Final = 50
"""Calls looked at one by one: a run may hold thousands."""
_MOST_RECOVERIES: Final = 2
_MOST_DIFFERENCES: Final = 3

_CHANGES_NOTHING: Final = frozenset({Effect.LOOKS_UP, Effect.COMPUTES, Effect.THINKS})
_MAY_CHANGE: Final = frozenset({Effect.ACTS, Effect.UNKNOWN})
_STOPPED: Final = {
    TerminationReason.TRUNCATION: "it was cut off at a length limit",
    TerminationReason.TIMEOUT: "it ran out of time",
    TerminationReason.MAX_STEPS: "it reached the step limit",
    TerminationReason.STALE: "it stopped making progress",
    TerminationReason.CANCELLED: "it was cancelled",
}


class OfflineReflector:
    """Templates over the facts of a trajectory. ``reflect`` is pure and safe to call from any thread."""

    name = "offline"

    def reflect(self, lesson: LearningInput) -> Reflection | None:
        """A strategy or contrast after a pass, a pitfall after a failure, ``None`` when the run shows nothing."""
        calls = read_calls(lesson.trajectory)
        passed = lesson.result is ReviewResult.PASS
        differences = _contrast(lesson)
        values = TaskValues(strip_notes(lesson.task), lesson.trajectory)
        told = build_feedback(lesson.feedback, values)
        said = differences or (_strategy(lesson, calls) if passed else _pitfall(lesson, calls, told))
        if not said and not told:
            return None
        text = join(LONGEST_TEXT, [build_opening(lesson.task, lesson.trajectory), told, *said], values)
        if text in lesson.served_texts:
            return None
        kind = MemoryKind.CONTRAST if differences else MemoryKind.STRATEGY if passed else MemoryKind.PITFALL
        return Reflection(kind=kind, text=text, evidence_steps=_steps(lesson.trajectory, calls))


# --- after a pass ---------------------------------------------------------------------------------------


def _strategy(lesson: LearningInput, calls: Sequence[Call]) -> list[str]:
    if not calls:
        return _answered(lesson.trajectory, _talked(lesson.trajectory))
    acting = [call for call in calls if call.effect is Effect.ACTS and not call.has_failed]
    sentences = _ordered(calls)
    sentences += [_advice(recovery) for recovery in islice(find_recoveries(calls), _MOST_RECOVERIES)]
    stuck = find_stuck(calls)
    sentences += [f"{call.name} failed{_with(call)}; the run passed all the same." for call in stuck[:_MOST_CHECKED]]
    if acting and is_confirmed(lesson.trajectory, calls, acting[0]):
        first = "look up first and " if any(call.effect is Effect.LOOKS_UP for call in calls) else ""
        sentences.append(f"Check: {first}have the user confirm the details right before {acting[0].name}.")
    elif _last(calls).effect is Effect.HANDS_OVER:
        sentences.append("Check: handing over was right, as the tools could not do what was asked.")
    elif sentences and not stuck and all(call.effect in _CHANGES_NOTHING for call in calls):
        sentences.append("Check: looking up was enough, nothing had to be changed.")
    return sentences


def _last(calls: Sequence[Call]) -> Call:
    """The last call but for thinking aloud."""
    return next((call for call in reversed(calls) if call.effect is not Effect.THINKS), calls[-1])


def _talked(trajectory: Trajectory) -> str:
    """What a run without tool calls did that was right; empty when nothing tells that it had a choice."""
    replies = [
        message.content for message in trajectory.messages if message.role is Role.ASSISTANT and message.content
    ]
    asked = re.search(r"[^.!?\n]{15,}\?", strip_notes(replies[0])[:_LONGEST_READ]) if len(replies) > 1 else None
    if asked is None and has_tools(trajectory, ()):
        return "a direct answer without any tool call was right"
    if asked is None:
        return _quoting_answer(trajectory, "an answer that began “{}” was right")
    question = cut(hide_values(" ".join(asked[0].split())), _LONGEST_QUESTION)
    return (
        f"talking it through in {len(replies)} answers without any tool call was right, beginning with “{question}”"
    )


def _quoting_answer(trajectory: Trajectory, sentence: str) -> str:
    """The sentence with how the run's answer began; empty when that is no more than a value."""
    answers = (message.content for message in reversed(trajectory.messages) if message.role is Role.ASSISTANT)
    answer = next(filter(None, answers), None) or trajectory.final_response or ""
    gist = build_quotation(strip_notes(answer))
    return sentence.format(gist) if gist else ""


def _ordered(calls: Sequence[Call]) -> list[str]:
    names = _names(call for call in calls if not call.has_failed)
    if not names or all(call.is_command for call in calls):
        return []
    return [
        f"what worked was {names[0]} alone." if len(names) == 1 else f"what worked was {listed(names, ', then ')}."
    ]


def _contrast(lesson: LearningInput) -> list[str]:
    """What made the difference to an earlier failure of nearly the same task."""
    if lesson.failed_run is None or lesson.result is not ReviewResult.PASS:
        return []
    differences = find_differences(lesson.trajectory, lesson.failed_run.trajectory)[:_MOST_DIFFERENCES]
    return ["of two tries one passed and one failed.", *differences] if differences else []


# --- after a failure ------------------------------------------------------------------------------------


def _pitfall(lesson: LearningInput, calls: Sequence[Call], told: str) -> list[str]:
    if is_outage(lesson.trajectory.error or ""):  # what was left undone was not the agent's choice
        return [_advice(recovery) for recovery in islice(find_recoveries(calls), _MOST_RECOVERIES)]
    sentences = _stopped(lesson.trajectory)
    if not calls:
        if told or sentences:
            return sentences  # the reviewer knows better, or the end tells
        if not has_tools(lesson.trajectory, calls):
            wrong = "an answer that began “{}” was judged wrong; check what it claims before giving it"
            return _answered(lesson.trajectory, _quoting_answer(lesson.trajectory, wrong))
        return _answered(
            lesson.trajectory,
            "the failed run only talked and called no tool; look the facts up with the tools before answering, "
            "and carry out what is asked",
        )
    stuck = find_stuck(calls)
    changed = max((call.position for call in calls if call.effect in _MAY_CHANGE), default=-1)
    sentences += [_stuck(call, calls, went_on=changed > call.position) for call in stuck[:_MOST_CHECKED]]
    sentences += [_advice(recovery) for recovery in islice(find_recoveries(calls), _MOST_RECOVERIES)]
    are_stuck = {call.name for call in stuck}
    repeated = ((name, times) for name, times in find_repeated(calls).items() if name not in are_stuck)
    sentences += [
        f"{name} was called {times} times with the same arguments; change something or stop."
        for name, times in islice(repeated, _MOST_CHECKED)
    ]
    if any(call.effect is Effect.ACTS for call in stuck):
        return sentences
    return [*sentences, *_ending(lesson.trajectory, calls)]


def _stuck(call: Call, calls: Sequence[Call], *, went_on: bool) -> str:
    """What to do about a tool that failed to the end; ``went_on`` when something may have been changed after it."""
    failures = [other for other in calls if other.name == call.name and other.has_failed]
    often = f" {len(failures)} times" if len(failures) > 1 else ""
    has_worked = any(other.name == call.name and not other.has_failed for other in calls)
    if has_worked or (went_on and len(failures) == 1):
        return (
            f"{call.name} failed{_with(call)} the last time it was called; mend the cause and call it again "
            "before finishing."
        )
    return f"{call.name} failed{often}{_with(call)} and never worked; check its inputs before calling it again."


def _ending(trajectory: Trajectory, calls: Sequence[Call]) -> list[str]:
    acting = [call for call in calls if call.effect is Effect.ACTS and not call.has_failed]
    looked = _names(call for call in calls if call.effect is Effect.LOOKS_UP and not call.has_failed)
    basis = f" after {listed(looked, ', ')}" if looked else " without looking anything up"
    last = _last(calls)
    if acting:
        return [_acted(trajectory, calls, acting, basis)]
    if last.effect is Effect.HANDS_OVER:
        return [f"the failed run gave up with {last.name}{basis}; do what the tools allow before handing over."]
    if looked and all(call.effect in _CHANGES_NOTHING for call in calls):
        only = f"the failed run only looked things up ({listed(looked, ', ')}) and changed nothing; "
        return [f"{only}if the request is allowed, carry it out before the conversation ends."]
    return []


def _acted(trajectory: Trajectory, calls: Sequence[Call], acting: Sequence[Call], basis: str) -> str:
    names = listed(_names(acting), " and ")
    times = f" ({len(acting)} calls)" if len(acting) > 1 else ""
    return f"the failed run called {names}{times}{basis}; {_missing(trajectory, calls, acting)}"


def _missing(trajectory: Trajectory, calls: Sequence[Call], acting: Sequence[Call]) -> str:
    """What a run that acted has left out, as far as its calls tell."""
    unconfirmed = next((call for call in acting[:_MOST_CHECKED] if not is_confirmed(trajectory, calls, call)), None)
    compare = "compare every argument with the request and the looked-up data, and cover each part of the request."
    if not is_conversation(trajectory):
        if any(call.position > acting[-1].position and call.effect is not Effect.THINKS for call in calls):
            return compare
        return f"nothing checked the result of {acting[-1].name}: look it up or test it before finishing."
    if unconfirmed is not None:
        return f"{unconfirmed.name} ran without the user confirming it right before; list the details and ask first."
    return (
        "the user had agreed, so the details were wrong or a part was missing: check that the rules allow it, "
        f"{compare}"
    )


def _stopped(trajectory: Trajectory) -> list[str]:
    metrics = trajectory.execution_metrics
    reason = _STOPPED.get(metrics.termination_reason) if metrics and metrics.termination_reason else None
    if reason is not None:
        return [f"the failed run did not finish: {reason}; do the essential part first."]
    said = build_gist(trajectory.error) if trajectory.error else ""
    return [f"the failed run ended with “{said}”."] if said else []


# --- wording --------------------------------------------------------------------------------------------


def _advice(recovery: Recovery) -> str:
    failed, worked = recovery.failed, recovery.worked
    start = f"If {failed.name} gives “{failed.error}”, " if failed.error else f"If {failed.name} fails, "
    if worked.name != failed.name:
        return f"{start}{worked.name} worked instead."
    first = f"first use {listed(recovery.between, ', ')}, then " if recovery.between else ""
    changed = f"with other {listed(recovery.changed, ', ')}" if recovery.changed else "again"
    return f"{start}{first}call it {changed}; that worked."


def _with(call: Call) -> str:
    return f" with “{call.error}”" if call.error else ""


def _answered(trajectory: Trajectory, sentence: str) -> list[str]:
    spoke = any(message.role is Role.ASSISTANT and message.content for message in trajectory.messages)
    return [f"{sentence}."] if sentence and (spoke or trajectory.final_response) else []


def _names(calls: Iterable[Call]) -> list[str]:
    return list(dict.fromkeys(call.name for call in calls if call.effect is not Effect.THINKS))


def _steps(trajectory: Trajectory, calls: Sequence[Call]) -> tuple[int, ...]:
    """Numbers of the steps whose calls failed, or else of those that acted; of the first ``_MOST_CHECKED`` calls."""
    telling = [call for call in calls if call.has_failed] or [call for call in calls if call.effect is Effect.ACTS]
    ends = [len(step.messages) for step in trajectory.steps]
    checked = telling[:_MOST_CHECKED]
    found = (next((number for number, end in enumerate(ends) if end > call.position), None) for call in checked)
    return tuple(sorted({number for number in found if number is not None}))
