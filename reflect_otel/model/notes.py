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


def strip_notes(text: str) -> str:
    """The text without any notes block of ours, also one that was cut off before its end line.

    For a rendered augmentation this gives back the bare task, byte for byte.
    """
    return _BLOCK.sub("", text) if NOTES_START in text else text
