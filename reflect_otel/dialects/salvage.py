"""The readable head of JSON text that an attribute length limit has cut."""

import json
import re
from typing import Any, Final

_CLOSERS: Final = {"{": "}", "[": "]"}
_MAX_NESTING: Final = 200
_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_CUT_ESCAPE: Final = re.compile(r"(?<!\\)(?:\\\\)*(\\(?:u[0-9a-fA-F]{0,3})?)\Z")


def salvage_json(text: str) -> Any:
    """The value up to the cut, with the cut string kept as far as it goes; ``None`` when there is none to save."""
    stack, in_string, safe, safe_stack = _scan(text)
    if not stack:
        return None
    closers = "".join(_CLOSERS[opener] for opener in reversed(stack))
    candidates = [_strip_escape(text) + '"' + closers] if in_string else [text + closers]
    if safe:
        candidates.append(text[:safe] + "".join(_CLOSERS[opener] for opener in reversed(safe_stack)))
    for candidate in candidates:
        try:
            saved = json.loads(candidate, strict=False)
        except (ValueError, RecursionError):
            continue
        return saved or None
    return None


def _scan(text: str) -> tuple[list[str], bool, int, list[str]]:
    """Open brackets at the end, whether a string is open, and the last place where all before is whole."""
    stack: list[str] = []
    safe, safe_stack = 0, list[str]()
    position, length = 0, len(text)
    while position < length:
        letter = text[position]
        if letter == '"':
            whole = _STRING.match(text, position)
            if whole is None:
                return stack, True, safe, safe_stack
            position = whole.end() - 1
        elif letter in "{[":
            stack.append(letter)
            if len(stack) > _MAX_NESTING:
                return [], False, 0, []
            safe, safe_stack = position + 1, stack.copy()
        elif letter in "}]":
            if not stack or _CLOSERS[stack.pop()] != letter:
                return [], False, 0, []
            safe, safe_stack = position + 1, stack.copy()
        elif letter == ",":
            safe, safe_stack = position, stack.copy()
        position += 1
    return stack, False, safe, safe_stack


def _strip_escape(text: str) -> str:
    """Drop an escape sequence that the cut left incomplete."""
    cut = _CUT_ESCAPE.search(text)
    return text[: cut.start(1)] if cut else text
