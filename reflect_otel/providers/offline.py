"""The reflector that needs no language model: it says what the trajectory shows, in fixed sentences.

Deterministic: the same run gives the same bytes. It is specific where the run allows (which tool failed and how, what
was changed before it worked, what was done without asking) and silent where there is nothing to say. Names, ids and
numbers of the one task are left out as far as that can be told from the text.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from reflect_otel.model.memory import MemoryKind
from reflect_otel.model.notes import strip_notes
from reflect_otel.model.reflection import LearningInput, Reflection
from reflect_otel.model.review import ReviewResult
from reflect_otel.model.trajectory import Role, TerminationReason, Trajectory
from reflect_otel.providers.run_contrast import find_differences
from reflect_otel.providers.tool_facts import (
    Call,
    Effect,
    Recovery,
    build_gist,
    find_recoveries,
    find_repeated,
    find_stuck,
    is_confirmed,
    read_calls,
)

LONGEST_TEXT: Final = 600
_LONGEST_FEEDBACK: Final = 240
_SHORTEST_GIST: Final = 40
_LONGEST_GIST: Final = 90
_LONGEST_QUESTION: Final = 140
_LONGEST_READ: Final = 1_000
_MOST_CHECKED: Final = 50
"""Calls looked at one by one: a run may hold thousands."""
_MOST_NAMES: Final = 7
_MOST_RECOVERIES: Final = 2
_MOST_DIFFERENCES: Final = 3

_GREETING: Final = re.compile(
    r"^(?:(?:hi|hello|hey|good \w+|dear \w+)(?: there| all| team)?\s*[,.!:–-]+\s*)+", re.IGNORECASE
)
_VALUE: Final = re.compile(r"https?://\S+|\S+@\S+|#?[\w./:-]*\d[\w./:-]*")
_IDENTIFIER: Final = re.compile(
    r"https?://\S+|www\.\S+|[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{1,64}|#[\w-]*\d[\w-]*|\b(?=\w*\d\w*\d\w*\d)[\w-]{6,}"
)
"""What a reviewer names of the one task: addresses, and words of six characters or more with three digits."""
_PROPER_NAME: Final = re.compile(r"(?<=[a-z,;] )(?!I\b)[A-Z][\w’'-]*[a-z](?:\s+[A-Z][\w’'-]*[a-z])*|\b[A-Z]{3}\b")
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
        said = differences or (_strategy(lesson, calls) if passed else _pitfall(lesson, calls))
        told = _feedback(lesson)
        if not said and not told:
            return None
        text = _within(LONGEST_TEXT, [_applies_to(lesson.task), told, *said])
        if text in lesson.served_texts:
            return None
        kind = MemoryKind.CONTRAST if differences else MemoryKind.STRATEGY if passed else MemoryKind.PITFALL
        return Reflection(kind=kind, text=text, evidence_steps=_steps(lesson.trajectory, calls))


# --- after a pass ---------------------------------------------------------------------------------------


def _strategy(lesson: LearningInput, calls: Sequence[Call]) -> list[str]:
    if not calls:
        return _answered(lesson.trajectory, _talked(lesson.trajectory))
    acting = [call for call in calls if call.effect is Effect.ACTS and not call.error]
    looked = _names(call for call in calls if call.effect is not Effect.ACTS)
    sentences = [_ordered(calls)]
    sentences += [_advice(recovery) for recovery in find_recoveries(calls)[:_MOST_RECOVERIES]]
    stuck = find_stuck(calls)
    sentences += [f"{call.name} failed with “{call.error}”; the run passed without it." for call in stuck]
    if acting and is_confirmed(lesson.trajectory, calls, acting[0]):
        sentences.append(f"Check: look up first and have the user confirm the details right before {acting[0].name}.")
    elif any(call.effect is Effect.HANDS_OVER for call in calls):
        sentences.append("Check: handing over was right, as the tools could not do what was asked.")
    elif looked and not acting and not stuck:
        sentences.append("Check: looking up was enough, nothing had to be changed.")
    return sentences


def _talked(trajectory: Trajectory) -> str:
    """What a run without tool calls did that was right."""
    replies = [
        message.content for message in trajectory.messages if message.role is Role.ASSISTANT and message.content
    ]
    asked = re.search(r"[^.!?\n]{15,}\?", strip_notes(replies[0])[:_LONGEST_READ]) if len(replies) > 1 else None
    if asked is None:
        return "a direct answer without any tool call was right"
    question = _cut(_masked(" ".join(asked[0].split())), _LONGEST_QUESTION)
    return (
        f"talking it through in {len(replies)} answers without any tool call was right, beginning with “{question}”"
    )


def _ordered(calls: Sequence[Call]) -> str:
    worked = [call for call in calls if not call.error] or list(calls)
    names = _names(worked)
    return (
        f"what worked was {names[0]} alone." if len(names) == 1 else f"what worked was {_listed(names, ', then ')}."
    )


def _contrast(lesson: LearningInput) -> list[str]:
    """What made the difference to an earlier failure of nearly the same task."""
    if lesson.failed_run is None or lesson.result is not ReviewResult.PASS:
        return []
    differences = find_differences(lesson.trajectory, lesson.failed_run.trajectory)[:_MOST_DIFFERENCES]
    return ["of two tries one passed and one failed.", *differences] if differences else []


# --- after a failure ------------------------------------------------------------------------------------


def _pitfall(lesson: LearningInput, calls: Sequence[Call]) -> list[str]:
    sentences = _stopped(lesson.trajectory)
    if not calls:
        if _feedback(lesson):  # whether the agent has tools at all is not known here: the reviewer knows better
            return sentences
        return sentences + _answered(
            lesson.trajectory,
            "the failed run only talked and called no tool; look the facts up with the tools before answering, "
            "and carry out what is asked",
        )
    stuck = find_stuck(calls)
    sentences += [_stuck(call, calls) for call in stuck]
    sentences += [_advice(recovery) for recovery in find_recoveries(calls)[:_MOST_RECOVERIES]]
    sentences += [
        f"{name} was called {times} times with the same arguments; change something or stop."
        for name, times in find_repeated(calls).items()
        if name not in {call.name for call in stuck}
    ]
    if any(call.effect is Effect.ACTS for call in stuck):
        return sentences
    return [*sentences, _ending(lesson.trajectory, calls)]


def _stuck(call: Call, calls: Sequence[Call]) -> str:
    times = sum(other.name == call.name and other.error is not None for other in calls)
    often = f" {times} times" if times > 1 else ""
    return (
        f"{call.name} failed{often} with “{call.error}” and never worked; check its inputs before calling it again."
    )


def _ending(trajectory: Trajectory, calls: Sequence[Call]) -> str:
    acting = [call for call in calls if call.effect is Effect.ACTS and not call.error]
    handed = next((call for call in calls if call.effect is Effect.HANDS_OVER), None)
    looked = _names(call for call in calls if call.effect is Effect.LOOKS_UP)
    basis = f" after {_listed(looked, ', ')}" if looked else " without looking anything up"
    if acting:
        return _acted(trajectory, calls, acting, basis)
    if handed is not None:
        return f"the failed run gave up with {handed.name}{basis}; do what the tools allow before handing over."
    if looked:
        return (
            f"the failed run only looked things up ({_listed(looked, ', ')}) and changed nothing; "
            "if the request is allowed, carry it out before the conversation ends."
        )
    return f"the failed run used {_listed(_names(calls), ', ')}."


def _acted(trajectory: Trajectory, calls: Sequence[Call], acting: Sequence[Call], basis: str) -> str:
    names = _listed(_names(acting), " and ")
    times = f" ({len(acting)} calls)" if len(acting) > 1 else ""
    unconfirmed = next((call for call in acting[:_MOST_CHECKED] if not is_confirmed(trajectory, calls, call)), None)
    if unconfirmed is not None:
        advice = (
            f"{unconfirmed.name} ran without the user confirming it right before; list the details and ask first."
        )
    else:
        advice = (
            "the user had agreed, so the details were wrong or a part was missing: check that the rules allow it, "
            "compare every argument with the request and the looked-up data, and cover each part of the request."
        )
    return f"the failed run called {names}{times}{basis}; {advice}"


def _stopped(trajectory: Trajectory) -> list[str]:
    metrics = trajectory.execution_metrics
    reason = _STOPPED.get(metrics.termination_reason) if metrics and metrics.termination_reason else None
    if reason is not None:
        return [f"the failed run did not finish: {reason}; do the essential part first."]
    if trajectory.error:
        return [f"the failed run ended with “{build_gist(trajectory.error)}”."]
    return []


# --- wording --------------------------------------------------------------------------------------------


def _advice(recovery: Recovery) -> str:
    failed, worked = recovery.failed, recovery.worked
    start = f"If {failed.name} gives “{failed.error}”, "
    if worked.name != failed.name:
        return f"{start}{worked.name} worked instead."
    first = f"first use {_listed(recovery.between, ', ')}, then " if recovery.between else ""
    changed = f"with other {_listed(recovery.changed, ', ')}" if recovery.changed else "again"
    return f"{start}{first}call it {changed}; that worked."


def _answered(trajectory: Trajectory, sentence: str) -> list[str]:
    spoke = any(message.role is Role.ASSISTANT and message.content for message in trajectory.messages)
    return [f"{sentence}."] if spoke or trajectory.final_response else []


def _feedback(lesson: LearningInput) -> str:
    text = " ".join(strip_notes(lesson.feedback or "").split())
    if not text:
        return ""
    text = _cut(_IDENTIFIER.sub("…", text[:_LONGEST_READ]), _LONGEST_FEEDBACK)
    return f"the reviewer says: {text}" + ("" if text[-1] in ".!?…" else ".")


def _applies_to(task: str) -> str:
    """The opening words of the task that say something, without greeting, values and names."""
    text = _GREETING.sub("", " ".join(strip_notes(task).split())[:_LONGEST_READ])
    opening = ""
    for sentence in re.split(r"(?<=[.!?])\s+", text):
        opening = f"{opening} {sentence}".strip()
        if len(opening) >= _SHORTEST_GIST:
            break
    gist = _cut(_masked(opening).rstrip(" .!?:"), _LONGEST_GIST)
    return f"When the task is like “{gist}”:" if gist else ""


def _masked(text: str) -> str:
    plain = _VALUE.sub("…", text)
    named = _PROPER_NAME.sub("…", plain)
    few = named.count("…") - plain.count("…") <= max(1, len(plain.split()) // 4)
    return re.sub(r"…(?:[\s,]+…)+", "…", named if few else plain)


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 1].rsplit(" ", 1)[0].rstrip(" ,;:.") + "…"


def _within(characters: int, sentences: Iterable[str]) -> str:
    """As many whole sentences as fit, in order."""
    text = ""
    for sentence in filter(None, sentences):
        joined = f"{text} {sentence}".strip()
        if len(joined) <= characters:
            text = joined
    return re.sub(r"(?<=[.!?…] )the ", "The ", text)


def _names(calls: Iterable[Call]) -> list[str]:
    return list(dict.fromkeys(call.name for call in calls if call.effect is not Effect.THINKS))


def _listed(names: Sequence[str], separator: str) -> str:
    shown = names if len(names) <= _MOST_NAMES else [*names[: _MOST_NAMES - 1], "…", names[-1]]
    return separator.join(shown)


def _steps(trajectory: Trajectory, calls: Sequence[Call]) -> tuple[int, ...]:
    """Numbers of the steps whose calls failed, or else of those that acted; of the first ``_MOST_CHECKED`` calls."""
    telling = [call for call in calls if call.error] or [call for call in calls if call.effect is Effect.ACTS]
    ends = [len(step.messages) for step in trajectory.steps]
    checked = telling[:_MOST_CHECKED]
    found = (next((number for number, end in enumerate(ends) if end > call.position), None) for call in checked)
    return tuple(sorted({number for number in found if number is not None}))
