"""How a lesson is worded: when it applies, what the reviewer said, and whole sentences within a length. Pure."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Final

from reflect_otel.model.notes import strip_notes
from reflect_otel.model.task_values import (
    IDENTIFIER,
    VALUE,
    TaskValues,
    hide_certain_names,
    hide_names,
    join_ellipses,
)
from reflect_otel.model.trajectory import Role, Trajectory

MOST_NAMES: Final = 7
_LONGEST_FEEDBACK: Final = 240
_SHORTEST_GIST: Final = 40
_LONGEST_GIST: Final = 90
_LONGEST_READ: Final = 1_000
_MOST_MESSAGES: Final = 20

_GREETING: Final = re.compile(
    r"^(?:(?:hi|hello|hey|good \w+|dear \w+|hallo|guten \w+|hola|bonjour|ciao|olá)(?: there| all| team)?"
    r"\s*(?:[,.!:–-]+\s*|$))+",
    re.IGNORECASE,
)
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|<[^>\n]{1,200}>", re.DOTALL)
_PLACE_CODE: Final = re.compile(r"\b(from|to|in|into|at|between|and|via) [A-Z]{3}\b")
_VERDICTS: Final = """
    a answer agent bad bene bien bon correct correcto das done es excellent fail failed false falsch fine good great
    gut incorrect incorrecto ist it job lgtm mal male mauvais nice no nope not ok okay pass passed perfect poor result
    richtig right schlecht success thank thanks that the this true very war was well work worked wrong yes you"""
_VERDICT_WORDS: Final = frozenset(_VERDICTS.split())
_WORD: Final = re.compile(r"[^\W\d_]+")
_WIDE: Final = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
"""Letters of scripts that set few or no spaces between words."""
_QUOTED: Final = re.compile("“[^”]*”")
_OWN_OPENING: Final = re.compile(r"(?:the|a|what|of|talking|nothing)\b")


def build_opening(task: str, trajectory: Trajectory) -> str:
    """When the lesson applies, in the words of the task; empty when those say nothing."""
    users = (message.content for message in trajectory.messages[:_MOST_MESSAGES] if message.role is Role.USER)
    for text in (task, *users):
        if text and not _is_greeting(text):
            gist = _build_gist(strip_notes(text))
            return f"When the task is {gist}:" if gist else ""
    return ""


def build_feedback(feedback: str | None, values: TaskValues) -> str:
    """What the reviewer said, without the one task's values; empty when that is no more than the verdict."""
    text = " ".join(strip_notes(feedback or "").split())[:_LONGEST_READ]
    words = _WORD.findall(text.casefold())
    if not words or _VERDICT_WORDS.issuperset(words):
        return ""
    text = cut(values.hide(hide_certain_names(IDENTIFIER.sub("…", text))), _LONGEST_FEEDBACK)
    return f"the reviewer says: {text}" + ("" if text[-1] in ".!?…。！？" else ".")


def build_quotation(text: str) -> str:
    """How a text begins, without code, values and names; empty when that leaves less than two words."""
    gist = _read_beginning(text)
    return gist if _says_something(gist) else ""


def join(characters: int, sentences: Iterable[str], values: TaskValues) -> str:
    """As many whole sentences as fit, in order; what they quote is freed of the one task's values."""
    text = ""
    for sentence in filter(None, sentences):
        plain = _QUOTED.sub(lambda match: values.hide(match[0]), sentence)
        if not text.endswith(":") and _OWN_OPENING.match(plain):
            plain = plain[0].upper() + plain[1:]
        joined = f"{text} {plain}".strip()
        if len(joined) <= characters:
            text = joined
    return text


def hide_values(text: str) -> str:
    """The text without numbers, addresses and names, unless so many words look like names that they cannot be."""
    plain = VALUE.sub("…", text)
    named = hide_names(_PLACE_CODE.sub(r"\1 …", plain))
    few = named.count("…") - plain.count("…") <= max(1, len(plain.split()) // 4)
    return join_ellipses(named if few else plain)


def cut(text: str, characters: int) -> str:
    """The text, or its beginning up to a word's end with an ellipsis."""
    return text if len(text) <= characters else text[: characters - 1].rsplit(" ", 1)[0].rstrip(" ,;:.") + "…"


def listed(names: Sequence[str], separator: str) -> str:
    """The names in a row; of many the first ones and the last."""
    shown = names if len(names) <= MOST_NAMES else [*names[: MOST_NAMES - 1], "…", names[-1]]
    return separator.join(shown)


def _is_greeting(text: str) -> bool:
    return not _GREETING.sub("", " ".join(strip_notes(text[:_LONGEST_READ]).split()))


def _build_gist(text: str) -> str:
    """The opening words that say something, without greeting, code, values and names."""
    fields = _read_fields(text)
    if fields:
        return f"JSON with {', '.join(fields)}"
    gist = _read_beginning(text)
    return f"like “{gist}”" if _says_something(gist) else ""


def _read_beginning(text: str) -> str:
    """The first sentences, until they are long enough to say something."""
    text = _GREETING.sub("", " ".join(_CODE.sub(" … ", text[: 20 * _LONGEST_READ]).split())[:_LONGEST_READ])
    opening = ""
    for sentence in re.split(r"(?<=[.!?])\s+", text):
        opening = f"{opening} {sentence}".strip()
        if len(opening) >= _SHORTEST_GIST:
            break
    return cut(re.sub(r"^…\s?[:,]\s", "", hide_values(opening).strip()).rstrip(" .!?:"), _LONGEST_GIST)


def _says_something(gist: str) -> bool:
    return len(_WORD.findall(gist)) > 1 or len(_WIDE.findall(gist)) > 3


def _read_fields(text: str) -> list[str]:
    """The names of the fields of a task that is a JSON object."""
    if not text.lstrip().startswith("{"):
        return []
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    names = [str(key) for key in found if re.fullmatch(r"[A-Za-z_][\w -]{0,30}", str(key))]
    return names[:MOST_NAMES]
