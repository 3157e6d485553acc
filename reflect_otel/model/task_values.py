"""What belongs to one task alone: addresses, ids, numbers, and the names of people and places. Pure.

A lesson is for other tasks, and whoever reads it may not be meant to know whom it was drawn from. Numbers and
addresses are told by their form, names by how they are written and by the arguments of tools that take them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from reflect_otel.model.trajectory import Trajectory

_MOST_CHARACTERS: Final = 2_000
_MOST_MESSAGES: Final = 2_000
_MOST_LEAVES: Final = 200
"""Of one call's arguments."""

ADDRESS: Final = r"https?://[^\s“”]+|www\.[^\s“”]+|[^\s@,;:()<>“”\"']{1,64}@[^\s@,;:()<>“”\"']{1,64}"
VALUE: Final = re.compile(rf"{ADDRESS}|#?[A-Za-z0-9_./:-]*\d[A-Za-z0-9_./:-]*")
"""Whatever holds a digit or is an address."""
IDENTIFIER: Final = re.compile(rf"{ADDRESS}|#[\w-]*\d[\w-]*|(?a:\b(?=(?:[\w-]*\d){{3}})[\w-]{{6,}})")
"""Addresses, and words of six characters or more with three digits."""

_UPPER: Final = "A-ZÀ-ÖØ-ÞА-ЯЁІЇЄΑ-Ω"
_TITLED: Final = (
    rf"(?!I\b)\b[{_UPPER}][^\W\d_’'-]{{0,30}}(?:[’'-][^\W\d_]{{1,30}}){{0,3}}(?<![{_UPPER}])\b(?:[’']s\b)?"
)
_HONORIFIC: Final = r"\b(?:Mr|Mrs|Ms|Mx|Dr|Prof|Sir|Herr|Herrn|Frau|Mme|Mlle|Sr|Sra|Señor|Señora|Signor|Signora)\b\.?"
_COMPANY: Final = r"(?:GmbH|AG|SE|KG|Inc|Ltd|LLC|Corp|PLC|plc|BV|NV|SA|AB|Oy|SpA)\b\.?"
_OPENERS: Final = (
    r"(?:A|An|The|This|That|These|Those|I|We|You|He|She|It|They|My|Your|Our|Please|If|When|While|Before|After|Always|"
    r"Never|Do|Did|Does|Is|Are|Was|Were|Can|Could|Should|Would|Will|Must|May|For|From|To|In|On|At|By|With|And|Or|But|"
    r"Not|No|Yes|Use|Ask|Check|See|Get|Find|Book|Cancel|Change|Send|Hi|Hello|Hey|Dear|Agent|Refunds?|Wrong|Error)"
)
_NAMED_IN_JAPANESE: Final = r"[一-龥ァ-ヴー]{1,8}(?=様|さん|さま|氏|先生)"
_NAMES: Final = re.compile(
    rf"{_HONORIFIC}\s+{_TITLED}(?:\s+{_TITLED})?"
    rf"|{_TITLED}(?:\s+{_TITLED})*\s+{_COMPANY}"
    rf"|(?:(?<=[^\W\d_A-Z] )|(?<=[…,;&] )){_TITLED}(?:\s+{_TITLED})*"  # in the middle of a sentence
    rf"|(?:^|(?<=[.!?:“] ))(?!{_OPENERS}\b){_TITLED}(?:\s+{_TITLED})+"  # two words or more at its beginning
    rf"|{_NAMED_IN_JAPANESE}"
)
_NOUNS_ARE_CAPITALISED: Final = re.compile(
    r"\b(?:der|die|das|dem|den|ein|eine[nmr]?|und|bitte|ich|nicht|mit|für|ist|wie|auf|von)\b"
)
"""German: a capital tells nothing there."""
_EXPLICIT_NAMES: Final = re.compile(
    rf"{_HONORIFIC}\s+{_TITLED}(?:\s+{_TITLED})?|{_TITLED}(?:\s+{_TITLED})*\s+{_COMPANY}|{_NAMED_IN_JAPANESE}"
)
_FEWEST_WORDS: Final = 5
"""Of a text whose capitals are counted."""
_NAMED_FOR_SURE: Final = re.compile(
    rf"{_HONORIFIC}\s+{_TITLED}(?:\s+{_TITLED})?|{_TITLED}(?:\s+{_TITLED})*\s+{_COMPANY}"
    rf"|(?:(?<=[^\W\d_A-Z] )|(?<=[…,;&] )){_TITLED}(?:\s+{_TITLED})+|{_NAMED_IN_JAPANESE}"
)
_FULL_NAMES: Final = re.compile(rf"(?<=[a-z] ){_TITLED}(?:\s+{_TITLED})+")
_CERTAIN_NAMES: Final = re.compile(
    rf"{_NAMED_FOR_SURE.pattern}|(?:^|(?<=[.!?:“] ))(?!{_OPENERS}\b){_TITLED}(?:\s+{_TITLED})+"
)
_OWN_NAME: Final = re.compile(r"\bname(?:['’]s| is|:)\s+([^\W\d_]+)(?:\s+(?!and\b)([^\W\d_]+))?", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W_]+(?:[.,][^\W_]+)*(?:[_-][^\W_]+)*")
_UNSPACED: Final = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]{2,20}")
"""Words of scripts that set no space before what follows a name."""
_PERSON_KEY: Final = re.compile(
    r"(?:^|_)(?:(?:first|last|full|sur|given|family|middle|user|customer|client|patient|passenger|guest|contact|"
    r"recipient|beneficiary|holder)_?name|customer|client|patient|passenger|guest|recipient|beneficiary|username|"
    r"assignee|employee|address\d?|street|city)$",
    re.IGNORECASE,
)


def find_names(text: str) -> Iterator[re.Match[str]]:
    """Where a text names people, companies or places, as far as its writing tells."""
    words = _WORD.findall(text)
    if 3 * sum(word[0].isupper() for word in words) > 2 * len(words) > 2 * _FEWEST_WORDS:
        return _EXPLICIT_NAMES.finditer(text)  # Every Word of a Title Has One
    capitals_tell = len(_NOUNS_ARE_CAPITALISED.findall(text)) < 2
    return (_NAMES if capitals_tell else _NAMED_FOR_SURE).finditer(text)


def hide_names(text: str) -> str:
    """The text with every name replaced by an ellipsis."""
    for match in reversed(list(find_names(text))):
        text = f"{text[: match.start()]}…{text[match.end() :]}"
    return text


def hide_full_names(text: str) -> str:
    """The text without names of two words or more in its middle: for messages, which capitalise their first words."""
    return _FULL_NAMES.sub("…", text)


def hide_certain_names(text: str) -> str:
    """The text without names that cannot be anything else: one capitalised word may be an answer or a term."""
    return _CERTAIN_NAMES.sub("…", text)


def join_ellipses(text: str) -> str:
    """Ellipses with nothing between them as one."""
    return re.sub(r"…(?:[\s,]*…)+", "…", text)


class TaskValues:
    """The values and names of one run, to be found again in other words about it.

    Args:
        task: the task in words.
        trajectory: whose tool calls carry values of the task.
    """

    def __init__(self, task: str, trajectory: Trajectory) -> None:
        self._words: set[str] = set()
        self._unspaced: set[str] = set()
        self._add_text(task[:_MOST_CHARACTERS])
        for message in trajectory.messages[:_MOST_MESSAGES]:
            for call in message.tool_calls or ():
                self._add_arguments(call.arguments)

    def hide(self, text: str) -> str:
        """The text with every known value and name replaced by an ellipsis."""
        for name in self._unspaced:
            text = text.replace(name, "…")
        return join_ellipses(_WORD.sub(lambda match: "…" if self.holds(match[0]) else match[0], text))

    def holds(self, word: str) -> bool:
        """Whether a word is a value or part of a name of the run."""
        return _plain(word) in self._words

    def _add_text(self, text: str) -> None:
        self._add_numbers(text)
        for match in find_names(text):
            self._add_names(match[0])
        for own in _OWN_NAME.finditer(text):
            self._add_names(" ".join(filter(None, own.groups())))

    def _add_arguments(self, arguments: Mapping[str, Any]) -> None:
        for key, value in _leaves(arguments):
            self._add_numbers(value[:_MOST_CHARACTERS])
            if _PERSON_KEY.search(key) and len(value) <= 100:
                self._add_names(value)

    def _add_numbers(self, text: str) -> None:
        words = (_plain(word) for word in _WORD.findall(text))
        self._words.update(word for word in words if len(word) > 1 and any(map(str.isdigit, word)))

    def _add_names(self, text: str) -> None:
        words = _WORD.findall(text)
        self._words.update(_plain(word) for word in words if len(word) > 2 and word.casefold() != "the")
        self._unspaced.update(word for word in words if _UNSPACED.fullmatch(word))


def _plain(word: str) -> str:
    return word.casefold().replace(",", "")


def _leaves(arguments: Any, key: str = "") -> Iterable[tuple[str, str]]:
    """Each value that is text or a number, under the nearest name above it."""
    waiting, seen = [(key, arguments)], 0
    while waiting and seen < _MOST_LEAVES:
        name, value = waiting.pop()
        seen += 1
        if isinstance(value, Mapping):
            waiting += [(str(inner), item) for inner, item in value.items()]
        elif isinstance(value, list | tuple):
            waiting += [(name, item) for item in value[:_MOST_LEAVES]]
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield name, str(value)
