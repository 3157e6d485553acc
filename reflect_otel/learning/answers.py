"""From a language model's answer to a lesson or a verdict, or to the list of what is wrong with it. Pure.

Never a memory from unparsed text: an answer is used only when every rule holds.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reflect_otel.learning.diversity import find_words, read_overlap
from reflect_otel.learning.prompts import (
    LONGEST_AVOID,
    LONGEST_DO,
    LONGEST_REASON,
    LONGEST_TITLE,
    LONGEST_WHEN,
    allowed_kinds,
)
from reflect_otel.learning.safety import find_dangers
from reflect_otel.model.memory import MemoryKind
from reflect_otel.model.reflection import LearningInput
from reflect_otel.model.review import Review, ReviewResult, ReviewSource
from reflect_otel.model.task_values import TaskValues, find_names
from reflect_otel.model.trajectory import Trajectory

MAX_COPIED: Final = 0.6
"""From this share of a lesson's word triples found in the trajectory up, it is a copy and no lesson."""

MAX_SERVED_OVERLAP: Final = 0.8
"""From this share of common words with a note that was served up, it is that note again."""

LONGEST_ANSWER: Final = 20_000
_NGRAM: Final = 3
_MOST_VALUES: Final = 2_000
_THOUGHT: Final = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
"""What reasoning models served without a parser for it put before their answer."""
_FENCED: Final = re.compile(r"\A\s*```(?:json)?\s*\n(.*)\n\s*```\s*\Z", re.DOTALL | re.IGNORECASE)
_WORD: Final = re.compile(r"\w+")
_VALUE: Final = re.compile(r"[#@\w][\w@./:+-]*\d[\w@./:+-]*|[\w.+-]{1,64}@[\w.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a valid answer says; ``text`` is empty when the model found nothing reusable."""

    kind: MemoryKind
    text: str
    evidence_steps: tuple[int, ...]


def read_reflection(
    answer: str, lesson: LearningInput, allowed_hosts: Collection[str] = ()
) -> tuple[Lesson | None, tuple[str, ...]]:
    """The lesson, or what is wrong with the answer, in words that help to mend it."""
    fields, problem = _read_object(answer)
    if fields is None:
        return None, (problem,)
    if fields.get("reusable") is False:
        return Lesson(allowed_kinds(lesson)[-1], "", ()), ()
    problems = [*_form_problems(fields, lesson)]
    if problems:
        return None, tuple(problems)
    text = _compose(fields)
    problems = [*_content_problems(text, lesson, allowed_hosts)]
    if problems:
        return None, tuple(problems)
    return Lesson(MemoryKind(fields["kind"]), text, tuple(dict.fromkeys(fields["evidence_steps"]))), ()


def read_judgement(answer: str, lesson: LearningInput, model: str) -> tuple[Review | None, tuple[str, ...]]:
    """The proposed review; neither review nor problems when the model could not tell."""
    fields, problem = _read_object(answer)
    if fields is None:
        return None, (problem,)
    if fields.get("result") == "unknown":
        return None, ()
    problems = [*_judgement_problems(fields, lesson)]
    if problems:
        return None, tuple(problems)
    review = Review(
        result=ReviewResult(fields["result"]),
        score=round(float(fields["score"]), 3),
        feedback=fields["reason"].strip(),
        source=ReviewSource.LLM,
        name="judge",
        identifier=model[:200],
    )
    return review, ()


def find_copied_share(text: str, trajectory: Trajectory) -> float:
    """The share of the text's word triples that stand in the trajectory too, in [0, 1]."""
    triples = _triples(text)
    if not triples:
        return 0.0
    said = set().union(*map(_triples, _iter_texts(trajectory)))
    return len(triples & said) / len(triples)


def find_task_values(text: str, lesson: LearningInput) -> tuple[str, ...]:
    """Ids, numbers, addresses and names of the one task that stand in the text."""
    said = {value.casefold().strip(".:/-") for value in _VALUE.findall(text)}
    known: set[str] = set()
    for source in (lesson.task, *_iter_values(lesson.trajectory)):
        known.update(value.casefold().strip(".:/-") for value in _VALUE.findall(source[:_MOST_VALUES]))
    names = {word for match in find_names(text) for word in _WORD.findall(match[0])}
    values = TaskValues(lesson.task, lesson.trajectory)
    found = {value for value in said & known if len(value) > 2} | {name for name in names if values.holds(name)}
    return tuple(sorted(found))


# --- form -----------------------------------------------------------------------------------------------


def _read_object(answer: str) -> tuple[dict[str, Any] | None, str]:
    answer = _THOUGHT.sub("", answer[: LONGEST_ANSWER * 10], count=1) if "<think" in answer[:100] else answer
    if len(answer) > LONGEST_ANSWER:
        return None, f"the answer has {len(answer)} characters, at most {LONGEST_ANSWER} are read"
    fenced = _FENCED.match(answer)
    try:
        fields = json.loads(fenced[1] if fenced else answer)
    except (ValueError, RecursionError):
        return None, "the answer is not one JSON object and nothing else"
    return (fields, "") if isinstance(fields, dict) else (None, "the answer is JSON, but not an object")


def _form_problems(fields: Mapping[str, Any], lesson: LearningInput) -> Iterator[str]:
    for name, longest, is_needed in (
        ("title", LONGEST_TITLE, True),
        ("when", LONGEST_WHEN, True),
        ("do", LONGEST_DO, fields.get("kind") != MemoryKind.PITFALL.value),
        ("avoid", LONGEST_AVOID, False),
    ):
        yield from _text_problems(fields, name, longest, is_needed)
    kinds = [kind.value for kind in allowed_kinds(lesson)]
    if fields.get("kind") not in kinds:
        yield f"kind must be {' or '.join(kinds)}, as the outcome is {lesson.result.value}"
    if not fields.get("do") and not fields.get("avoid"):
        yield "do and avoid are both empty"
    if not isinstance(fields.get("reusable"), bool):
        yield "reusable must be true or false"
    yield from _share_problems(fields, "generality")
    yield from _step_problems(fields, lesson.trajectory)


def _judgement_problems(fields: Mapping[str, Any], lesson: LearningInput) -> Iterator[str]:
    if fields.get("result") not in ("pass", "fail"):
        yield "result must be pass, fail or unknown"
    yield from _text_problems(fields, "reason", LONGEST_REASON, True)
    yield from _share_problems(fields, "score")
    yield from _step_problems(fields, lesson.trajectory)
    score = fields.get("score")
    if isinstance(score, int | float) and (fields.get("result") == "pass") != (score >= 0.5):
        yield "result and score disagree: a pass has at least 0.5, a fail less"


def _text_problems(fields: Mapping[str, Any], name: str, longest: int, is_needed: bool) -> Iterator[str]:
    value = fields.get(name)
    if not isinstance(value, str):
        yield f"{name} must be text"
    elif len(value) > longest:
        yield f"{name} has {len(value)} characters, at most {longest} are allowed"
    elif is_needed and not value.strip():
        yield f"{name} must not be empty"


def _share_problems(fields: Mapping[str, Any], name: str) -> Iterator[str]:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        yield f"{name} must be a number from 0 to 1"


def _step_problems(fields: Mapping[str, Any], trajectory: Trajectory) -> Iterator[str]:
    steps, count = fields.get("evidence_steps"), len(trajectory.steps)
    if not isinstance(steps, list) or any(isinstance(step, bool) or not isinstance(step, int) for step in steps):
        yield "evidence_steps must be a list of whole numbers"
    elif any(not 0 <= step < count for step in steps):
        yield f"evidence_steps names a step that is not there; the run has steps 0 to {count - 1}"
    elif count and not steps:
        yield "evidence_steps must name at least one step"


# --- content --------------------------------------------------------------------------------------------


def _compose(fields: Mapping[str, Any]) -> str:
    when = re.sub(r"^(?:when|if)\s+", "", _sentence(fields["when"]), flags=re.IGNORECASE).rstrip(" .:;,")
    do, avoid = _sentence(fields["do"]), _sentence(fields["avoid"])
    avoid = re.sub(r"^avoid(?:ing)?[:\s]+", "", avoid, flags=re.IGNORECASE)
    parts = [f"When {when}:", do and _ended(do), avoid and f"Avoid: {_ended(avoid)}"]
    return " ".join(filter(None, parts))


def _sentence(text: str) -> str:
    return " ".join(text.split())


def _ended(text: str) -> str:
    return text if text[-1] in ".!?…。" else f"{text}."


def _content_problems(text: str, lesson: LearningInput, allowed_hosts: Collection[str]) -> Iterator[str]:
    dangers = find_dangers(text, allowed_hosts)
    if dangers:
        yield f"the lesson holds what no lesson may hold ({', '.join(dangers)})"
    values = find_task_values(text, lesson)
    if values:
        yield f"the lesson names values of this one task: {', '.join(values[:5])}"
    copied = max(find_copied_share(text, trajectory) for trajectory in _trajectories(lesson))
    if copied >= MAX_COPIED:
        yield f"{copied:.0%} of the lesson is copied from the data; say it in your own words"
    if any(
        read_overlap(find_words(text), find_words(served)) >= MAX_SERVED_OVERLAP for served in lesson.served_texts
    ):
        yield "the lesson repeats a note that was served to the run; say something new or set reusable to false"


def _trajectories(lesson: LearningInput) -> Sequence[Trajectory]:
    return [lesson.trajectory] + ([lesson.failed_run.trajectory] if lesson.failed_run else [])


def _triples(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    return {tuple(words[at : at + _NGRAM]) for at in range(len(words) - _NGRAM + 1)}


def _iter_texts(trajectory: Trajectory) -> Iterator[str]:
    for message in trajectory.messages:
        yield message.content or ""
        if message.tool_response is not None:
            yield f"{message.tool_response.error or ''} {message.tool_response.response or ''}"


def _iter_values(trajectory: Trajectory) -> Iterator[str]:
    for message in trajectory.messages:
        for call in message.tool_calls or ():
            yield from _leaves(call.arguments)


def _leaves(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)
