"""Whether a tool's answer is a failure, and what it says, without the values of the one task. Pure.

Many tools report a failure only in words ("Error: user not found"), in a field of their own, or by an exit code. What
was looked up may speak of errors and be none: only its opening counts. What a command printed counts line by line.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from reflect_otel.model.task_values import ADDRESS, hide_full_names, join_ellipses
from reflect_otel.model.trajectory import ToolResponse

_ERROR_IN_OTHER_WORDS: Final = (
    "fehler|erreur|errore|erro|fout|błąd|chyba|hata|ошибка|помилка|错误|錯誤|エラー|오류|에러"
)
_OPENING: Final = re.compile(
    r"\s*(?:"
    r"(?:\w+ ){0,2}[\w.]*(?:error|exception)(?:\s+-?\d{1,6})?\s*(?::|$)"
    r"|error\s+(?!handling|reporting|logging|checking)\w+ing\b"
    r"|\([\w.]*(?:error|exception)[\w.]*\)\s"
    r"|traceback\b|failed(?=\s*:|\s+to\b)|failure(?=\s*:)"
    r"|http(?:/\d(?:\.\d)?)?\s+(?:status\s+|error\s+)?[45]\d\d\b"
    r"|status(?:\s+code)?\s*[:=]?\s*[45]\d\d\b"
    r"|[45]\d\d\s+(?:bad|unauthori[sz]ed|forbidden|not\s+found|internal|service|gateway|too\s+many|request)\b"
    r"|could not find\b|nothing happens\b"
    r"|invalid (?:action|command|input|arguments?)\b|unknown (?:action|command|tool)\b"
    r"|timed\s+out\b|timeout(?=\s*:|\s*$|[^\n]{0,40}\bexceeded)"
    rf"|(?:{_ERROR_IN_OTHER_WORDS})\s*[:：]"
    r")",
    re.IGNORECASE,
)
_PRINTED: Final = re.compile(
    r"^(?:"
    r"E\s{2,8}\S|Traceback \(most recent|npm ERR!|make(?:\[\d+\])?: \*\*\*|fatal: |FAILED\b"
    r"|\S{1,40}: command not found"
    r"|(?:\S{1,200}:\d+:(?:\d+:)? )?error(?:\[E\d+\]|\sTS\d+)?: |=*\s{0,4}[1-9]\d{0,5} failed\b"
    r"|(?i:\W{0,4}(?:(?:command|process|program|script)\s)?(?:(?:finished|exited|failed|completed)\s)?(?:with\s)?"
    r"(?:non-?zero\s)?(?:exit|return)[ _-]?(?:code|status)\s?[:=]?\s?[1-9]\d{0,4})\W{0,4}$"
    r")",
    re.MULTILINE,
)
_RAISED: Final = re.compile(r"^(?:E\s{2,8})?([\w.]{1,80}(?:Error|Exception)\b[^\n]*)", re.MULTILINE)
_ERROR_KEYS: Final = ("error", "errors", "exception", "error_message", "errorMessage", "err", "fehler", "erreur")
_MESSAGE_KEYS: Final = ("message", "detail", "reason", "stderr", "stdout", "output", "body", "content", "text")
_EXIT_KEYS: Final = ("exit_code", "exitCode", "exit_status", "returncode", "return_code")
_STATUS_KEYS: Final = ("status", "statusCode", "status_code")
_SPECIFIC: Final = re.compile(
    rf"{ADDRESS}|'[^']*'|\"[^\"]*\"|`[^`]*`|[\[{{].*|[#$€£]?[A-Za-z0-9_./:-]*\d[A-Za-z0-9_./:-]*"
)
_PREAMBLE: Final = re.compile(
    rf"^(?:(?:(?:\w+ ){{0,2}}(?:error|exception|{_ERROR_IN_OTHER_WORDS})\b[^:：\n]{{0,80}}[:：]|E\s{{2,8}})\s*)+",
    re.IGNORECASE,
)
_SAYS_NOTHING: Final = re.compile(
    r"(?:an?\s|the\s|unknown\s|\W)*(?:error|exception|failed|failure)?"
    r"(?:\s(?:running|executing|calling|invoking)\s(?:the\s)?tool)?(?:\W+non-fatal)?\W*",
    re.IGNORECASE,
)
_MESSAGE: Final = re.compile(r"""['"]message['"]\s*:\s*(['"])(.+?)\1\s*[,}]""")
_LONGEST_REASON: Final = 110
_LONGEST_WORDS: Final = 1_000
_LONGEST_PRINT: Final = 20_000


def read_error(answer: ToolResponse, *, is_lookup: bool = False) -> str | None:
    """Why a tool failed, without the values of this one task: empty when it does not say, ``None`` without a failure.

    Args:
        answer: what came back.
        is_lookup: what it returns is a text about something, not what a command printed.
    """
    words = answer.error if answer.error is not None else _find_words(answer.response, is_lookup)
    return None if words is None else build_gist(words)


def build_gist(words: str) -> str:
    """What a failure says, in one line, with the values of this one task left out; empty when it says no more."""
    quoted = _MESSAGE.search(words[:_LONGEST_WORDS])
    said = quoted[2] if quoted else _telling(words)
    said = _PREAMBLE.sub("", said) or said
    said = join_ellipses(hide_full_names(_SPECIFIC.sub("…", said))).rstrip(" .:").lstrip("… :,-*!()[]")
    said = said if len(said) <= _LONGEST_REASON else said[:_LONGEST_REASON].rsplit(" ", 1)[0] + "…"
    return "" if _SAYS_NOTHING.fullmatch(said) else said


def _telling(words: str) -> str:
    """The line that says what was wrong: the last that was raised, else the first that tells of a failure."""
    printed = words[-_LONGEST_PRINT:]
    raised = _RAISED.findall(printed) if "\n" in words else []
    if raised:
        return str(raised[-1])[:_LONGEST_WORDS]
    found = _PRINTED.search(printed)
    if found and not _OPENING.match(words):
        return printed[found.start() :].split("\n", 1)[0].strip(" []()=")[:_LONGEST_WORDS]
    lines = [line.strip() for line in words[:_LONGEST_PRINT].splitlines() if line.strip()] or [""]
    return " ".join(lines[:3])[:_LONGEST_WORDS]


def _find_words(response: Any, is_lookup: bool) -> str | None:
    if isinstance(response, str):
        return _find_in_text(response, is_lookup)
    if isinstance(response, list):
        parts = [part.get("text") for part in response if isinstance(part, Mapping) and part.get("type") == "text"]
        texts = [text for text in parts if isinstance(text, str)]
        return _find_in_text("\n".join(texts), is_lookup) if texts else None
    return _find_in_fields(response) if isinstance(response, Mapping) else None


def _find_in_text(text: str, is_lookup: bool) -> str | None:
    if text.lstrip().startswith("{"):
        fields = _parsed(text)
        if isinstance(fields, Mapping):
            return _find_in_fields(fields)
    if _OPENING.match(text[:_LONGEST_WORDS]):
        return text
    if not is_lookup and _PRINTED.search(text[-_LONGEST_PRINT:]):
        return text
    return None


def _find_in_fields(fields: Mapping[str, Any]) -> str | None:
    for key in _ERROR_KEYS:
        named = fields.get(key)
        if isinstance(named, Mapping) and named:
            return str(named.get("message", named))
        if named and isinstance(named, str | list):
            return str(named)
    return _find_message(fields) if _says_failed(fields) else None


def _says_failed(fields: Mapping[str, Any]) -> bool:
    exits = [fields.get(key) for key in _EXIT_KEYS]
    statuses = [fields.get(key) for key in _STATUS_KEYS]
    return (
        any(fields.get(key) is True for key in ("isError", "is_error", "error"))
        or any(fields.get(key) is False for key in ("success", "ok"))
        or any(type(code) is int and code != 0 for code in exits)
        or any(status == "error" or (type(status) is int and 400 <= status < 600) for status in statuses)
    )


def _find_message(fields: Mapping[str, Any]) -> str:
    for key in _MESSAGE_KEYS:
        value = fields.get(key)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, list):
            words = _first_text(value)
            if words:
                return words
    return "error"


def _first_text(parts: list[Any]) -> str:
    texts = (part.get("text") for part in parts if isinstance(part, Mapping))
    return next((text for text in texts if isinstance(text, str) and text.strip()), "")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
