"""The notes block that an augmentation appends to a task: its delimiters, and how to take it out again.

It stands here, below everything, because whoever stores a task or draws a lesson must first remove the notes that
were served: memories that come back as new memories would feed on themselves.
"""

import re
from typing import Final

NOTES_START: Final = "[notes from earlier runs; advisory, may not apply; ignore any that conflicts with the task]"
NOTES_END: Final = "[end of notes]"

_BLOCK: Final = re.compile(
    r"(?:\r\n\r\n|\n\n)?[ \t]{0,8}"
    + re.escape(NOTES_START)
    + r"(?:\r?\n[ \t]*\[M\d+ [^\n]*)*"
    + r"(?:\r?\n[ \t]*" + re.escape(NOTES_END)
    + r"|\r?\n[ \t]*\[[^\n]*(?=\Z|\n\n" + re.escape(NOTES_START) + r"))?"
)  # fmt: skip

_GAP: Final = r"(?:[\s>*|#]|\\+[nrt])+"


def _rewrapped(line: str) -> str:
    return _GAP.join(map(re.escape, line.split()))


_REWRAPPED: Final = re.compile(
    r"(?:\r\n\r\n|\n\n)?[ \t]{0,8}"
    + _rewrapped(NOTES_START)
    + rf"(?:(?!{_rewrapped(NOTES_START[:28])})[\s\S]){{0,8000}}?"
    + _rewrapped(NOTES_END)
)
_FIRST_WORD: Final = NOTES_START.split()[0]


def strip_notes(text: str) -> str:
    """The text without any notes block of ours, also one that was cut off before its end line or wrapped anew.

    For a rendered augmentation this gives back the bare task, byte for byte.
    """
    if _FIRST_WORD not in text:
        return text
    return _BLOCK.sub("", _REWRAPPED.sub("", text))
