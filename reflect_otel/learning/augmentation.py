"""From a task and its memories to the text the agent gets.

Memory text is untrusted: it was drawn from tool output and user messages. Whatever it holds, it stays inside its own
line of the notes block: no line breaks, none of our delimiters, no role markers, no invisible characters.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from reflect_otel.learning.safety import BLANKS
from reflect_otel.model.memory import Memory, MemoryKind
from reflect_otel.model.notes import NOTES_END, NOTES_START, strip_notes

__all__ = ["Notes", "build_notes", "neutralise", "render", "strip_notes"]

BYTES_PER_TOKEN: Final = 4
"""Of UTF-8, as in byte-pair encodings: four letters of English, but little more than one character of Chinese."""
BLOCK_BUDGET_TOKENS: Final = 600
NOTE_BUDGET_TOKENS: Final = 180
SHORTEST_CUT_TOKENS: Final = 60
"""A note is dropped rather than cut below this."""

_LONGEST_INPUT: Final = 16_384
_CUT: Final = "…"
_SENTENCE_END: Final = re.compile(r"[.!?](?=\s|$)|[。।؟۔]|(?<=[^\x00-\x7f])[!?]")
"""Scripts without a space behind sentences have marks of their own; NFKC has made some of these ``!`` and ``?``."""

_BRACKETS: Final = str.maketrans("[]", "⟦⟧")
_REWRITES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"<(?=[<\w/!|?%])", "‹"),
        (r"(?<=[|\w/\"'])>", "›"),
        (r"([`~\"'#=*_\-])\1{2,}", r"\1"),
        (r"\b(system|developer|assistant|user|human|ai|model|function|tool|instructions?)\s*[:：]", r"\1 -"),
        (r"\bend\s+of\s+notes\b", "end-of-notes"),
        (r"\bnotes\s+from\s+earlier\s+runs\b", "notes-from-earlier-runs"),
    )
)


@dataclass(frozen=True, slots=True)
class Notes:
    """The notes block, or an empty text, and the memories in it: the first is M1, the second M2 and so on."""

    text: str = ""
    memories: tuple[Memory, ...] = ()

    def append_to(self, task: str) -> str:
        """The task, byte for byte, followed by the block; the task alone when the block is empty."""
        return f"{task}\n\n{self.text}" if self.text else task


def render(task: str, memories: Sequence[Memory]) -> str:
    """The task followed by the notes block for these memories, which are given best first."""
    return build_notes(memories).append_to(task)


def build_notes(memories: Sequence[Memory]) -> Notes:
    """The notes block for these memories, best first, within ``BLOCK_BUDGET_TOKENS`` (four bytes a token).

    A note is cut at the end of a sentence; one that would have to be cut below ``SHORTEST_CUT_TOKENS`` is left out.
    Pitfalls stand after strategies.
    """
    left = BLOCK_BUDGET_TOKENS * BYTES_PER_TOKEN - len(NOTES_START) - len(NOTES_END) - 1
    fitting: list[tuple[Memory, str]] = []
    for memory in memories:
        overhead = len(_label(len(memories), memory)) + 2
        text = _fit(neutralise(memory.reflection), min(NOTE_BUDGET_TOKENS * BYTES_PER_TOKEN, left) - overhead)
        if text:
            fitting.append((memory, text))
            left -= _size(text) + overhead
    fitting.sort(key=lambda item: item[0].kind is MemoryKind.PITFALL)
    lines = [f"{_label(number, memory)} {text}" for number, (memory, text) in enumerate(fitting, 1)]
    if not lines:
        return Notes()
    return Notes("\n".join((NOTES_START, *lines, NOTES_END)), tuple(memory for memory, _ in fitting))


@lru_cache(maxsize=1024)
def neutralise(text: str) -> str:
    """Untrusted text as one plain line that cannot be taken for a delimiter, a role marker or markup.

    Look-alike forms are folded first (NFKC), control and invisible characters removed, line breaks made spaces,
    square brackets and the opening of tags replaced by typographic ones, fences and rules shortened.
    """
    plain = unicodedata.normalize("NFKC", text[:_LONGEST_INPUT]).translate(_BRACKETS)
    line = _one_line("".join(map(_visible, plain)))
    for pattern, replacement in _REWRITES:
        line = pattern.sub(replacement, line)
    return line


def _label(number: int, memory: Memory) -> str:
    record = f"{memory.passes}/{memory.uses} runs passed" if memory.uses else "new"
    return f"[M{number} {memory.kind.value}, {record}]"


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Cc", "Zl", "Zp", "Zs"}:
        return " "
    return "" if category[0] == "C" or character in BLANKS else character


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _fit(text: str, size: int) -> str:
    """The text in at most so many bytes, cut at a sentence end or else a word; empty if too little is left."""
    if _size(text) <= size:
        return text
    shortest = SHORTEST_CUT_TOKENS * BYTES_PER_TOKEN
    if size < shortest:
        return ""
    head = _first_bytes(text, size)
    ends = [match.end() for match in _SENTENCE_END.finditer(text) if match.end() <= len(head)]
    if ends and _size(head[: ends[-1]]) >= shortest:
        return head[: ends[-1]]
    head = _first_bytes(text, size - _size(_CUT))
    word = head[: head.rfind(" ")] if " " in head else ""
    return (word if _size(word) >= shortest else head) + _CUT


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _first_bytes(text: str, size: int) -> str:
    """As much of the start as fits, no character cut in two."""
    return text.encode()[:size].decode(errors="ignore")
