"""Whether a lesson is safe to hand to an agent: the scan that every reflection passes before it is stored. Pure.

A lesson is drawn from tool output and user messages, so it may carry what somebody planted there. The scan looks at
the text as it is, and at what it would say once decoded: look-alike letters folded, letters put together, digits read
as letters, reversed, ROT13, entities, percent and base64 decoded. It finds orders, disguises and addresses; it cannot
tell bad advice in plain words. That is what utilities, probe rations and quarantine are for.
"""

import base64
import binascii
import codecs
import html
import itertools
import re
import unicodedata
from collections.abc import Collection, Iterator
from typing import Final
from urllib.parse import unquote

from reflect_otel.learning.credentials import REDACTED, has_credential
from reflect_otel.learning.danger_patterns import load_forms, load_overrides

BLANKS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0") | {
    chr(point) for first, last in ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF)) for point in range(first, last + 1)
}
"""Characters without a glyph that are neither controls nor format characters by category."""

_ADDRESS: Final = "address"
_LONGEST_INPUT: Final = 20_000
_LOOK_ALIKES: Final = str.maketrans(
    "аеорсухіјѕԁɡһӏьвкмнтгпАВЕКМНОРСТУХІЈЅοαεινρτυχκΑΒΕΖΗΙΚΜΝΟΡΤΥΧіɑɩɪ",
    "aeopcyxijsdghlbbkmhtrnABEKMHOPCTYXIJSoaeivptuxkABEZHIKMNOPTYXiaii",
)
_DEFUSED: Final = str.maketrans("‹›⟦⟧", "<>[]")
"""What ``augmentation.neutralise`` writes for the characters that have a meaning to models."""
_LEET: Final = str.maketrans("013457@$!|", "oieastasii")
_SPACED_LETTERS: Final = re.compile(r"\b\w(?:[\s._*~|/-]\w){5,}\b")
_BASE64: Final = re.compile(r"(?<![\w/+])[A-Za-z0-9+/_-]{16,}={0,2}")
_JOINERS: Final = frozenset("\u200c\u200d")
_SELECTOR: Final = "\ufe0f"


def find_dangers(text: str, allowed_hosts: Collection[str] = ()) -> tuple[str, ...]:
    """What is wrong with a lesson, each kind once; empty when nothing is.

    Args:
        text: the lesson.
        allowed_hosts: hosts whose addresses may stand in a lesson, with their subdomains, lower case.
    """
    seen = text[:_LONGEST_INPUT]
    plain = _without_hidden(unicodedata.normalize("NFKC", seen))
    decoded = unquote(html.unescape(plain))
    forms = tuple(dict.fromkeys((plain, plain.translate(_LOOK_ALIKES), plain.translate(_DEFUSED), decoded)))
    dangers = {"hidden characters": _has_hidden(seen), "look-alike letters": _has_look_alikes(seen)}
    for name, pattern in load_forms().items():
        found = itertools.chain.from_iterable(map(pattern.finditer, forms))
        dangers[name] = any(name != _ADDRESS or not _is_allowed(match, allowed_hosts) for match in found)
    dangers["credential"] = any(REDACTED in form or has_credential(form) for form in forms)
    dangers["instruction override"] = any(
        map(load_overrides().search, itertools.chain.from_iterable(map(_readings, forms)))
    )
    return tuple(sorted(name for name, is_found in dangers.items() if is_found))


def _without_hidden(text: str) -> str:
    return "".join(character for character in text if not _is_hidden(character))


def _readings(plain: str) -> Iterator[str]:
    """The text as it may be meant: as it is, and decoded in the ways that hide orders."""
    lower = re.sub(r"[^\S\n]+", " ", plain).casefold()
    yield lower
    yield re.sub(r"[\s_*~|\"'`´’.,-]+", " ", lower)
    bare = "".join(c for c in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(c))
    if bare != lower:
        yield bare
    spaced = _SPACED_LETTERS.sub(lambda match: re.sub(r"[\s._*~|/-]", "", match[0]), lower)
    if spaced != lower:
        yield _with_gaps(spaced)
    if not lower.isascii():
        yield re.sub(r"[^\x00-\x7f]+", " ", lower)
    yield lower.translate(_LEET)
    yield lower[::-1]
    yield codecs.encode(lower, "rot13")
    yield unquote(html.unescape(plain)).casefold()
    yield _unescaped(plain).casefold()
    for found in _BASE64.finditer(plain):
        yield _decoded(found[0]).casefold()


def _with_gaps(text: str) -> str:
    """Known words of an order set apart again: spelling it letter by letter loses the gaps between words."""
    words = "ignore|disregard|forget|override|previous|prior|above|all|your|the|system|instructions?|rules|prompt"
    return re.sub(rf"({words})", r" \1 ", text).replace("  ", " ")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))", lambda m: chr(int(m[1] or m[2], 16)), text)


def _decoded(blob: str) -> str:
    padded = blob.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(padded + "=" * (-len(padded) % 4)).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""


def _is_allowed(match: re.Match[str], allowed_hosts: Collection[str]) -> bool:
    groups = match.groupdict()
    host = (groups["url"] or groups["www"] or groups["path"] or groups["bare"] or "").lower().rstrip(".,;")
    return bool(host) and any(host == known or host.endswith(f".{known}") for known in allowed_hosts)


def _has_hidden(text: str) -> bool:
    """Controls, invisible and directional characters, stacks of marks; not what emoji and scripts need."""
    for position, character in enumerate(text):
        if character in _JOINERS or character == _SELECTOR:
            before = text[position - 1 : position]
            if not before or before.isascii():
                return True
        elif _is_hidden(character):
            return True
    return re.search(r"[\u0300-\u036f\u0489]{3}", unicodedata.normalize("NFD", text)) is not None


def _is_hidden(character: str) -> bool:
    category = unicodedata.category(character)
    if category == "Cc":
        return character not in "\n\r\t"
    return category in {"Cf", "Co", "Cn", "Zl", "Zp"} or character in BLANKS


def _has_look_alikes(text: str) -> bool:
    """A word that mixes Latin letters with Cyrillic or Greek ones that look the same."""
    return any(
        len(word) >= 4
        and not word.isascii()
        and re.search(r"[A-Za-z]", word)
        and word.translate(_LOOK_ALIKES).isascii()
        for word in re.findall(r"[^\W\d_]+", text)
    )
