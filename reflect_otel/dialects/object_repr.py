"""Python objects as ``repr`` writes them: ``ChatMessage(role=<Role.USER: 'user'>, content=[Text(text='hi')])``.

Instrumentations that serialise with ``default=str`` leave frameworks' messages in this form. Nothing is evaluated:
the text is parsed, and each call becomes an object of its keyword arguments with the class's name under ``type``.
"""

import ast
import re
from typing import Any, Final

_MAX_CHARACTERS: Final = 256 * 1024
_TEXT: Final = r"""(?P<text>'(?:[^'\\]|\\[\s\S]?)*+(?:'|\Z)|"(?:[^"\\]|\\[\s\S]?)*+(?:"|\Z))"""
"""A quoted text. One that never ends is taken to the end of all: looked for at each quote in it, it took hours."""
_ENUM: Final = re.compile(r"<[A-Za-z_][\w.]*: (?P<value>'(?:[^'\\]|\\.)*'|-?\d+)>|" + _TEXT)
_OPAQUE: Final = re.compile(_TEXT + r"|<[A-Za-z_][^<>'\"]*>")
_MAX_BRACKETS: Final = 3
_IS_OBJECT: Final = re.compile(r"[A-Z]\w*\(\w+=")
_HOLDS_OBJECTS: Final = re.compile(r"[\[{]\s*(?:'\w+': \[?)?[A-Z]\w*\(\w+=")
_IS_OPAQUE: Final = re.compile(r"<[\w.]+ object at 0x[0-9a-fA-F]+>")
_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CONTENT_TYPES: Final = ("_content", "_block")


def is_opaque(text: str) -> bool:
    """True for ``<module.Class object at 0x...>``, which tells nothing of what the object held."""
    return text[:1] == "<" and _IS_OPAQUE.fullmatch(text) is not None


def read_object_repr(text: str) -> Any:
    """The object behind a repr as plain values, or ``None`` when the text is none."""
    return _read(text) if _IS_OBJECT.match(text) else None


def read_container_repr(text: str) -> Any:
    """The list or dictionary behind a repr that holds objects, or ``None`` when the text is none."""
    return _read(text) if _HOLDS_OBJECTS.match(text) else None


def _read(text: str) -> Any:
    if len(text) > _MAX_CHARACTERS:
        return None
    plain = _ENUM.sub(lambda found: found["text"] or found["value"], text)
    for _ in range(_MAX_BRACKETS):  # <function f.<locals>.g at 0x...>
        plain = _OPAQUE.sub(lambda found: found["text"] or "None", plain)
    try:
        return _read_node(ast.parse(plain, mode="eval").body)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _read_node(node: ast.expr) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.List() | ast.Tuple() | ast.Set():
            return [_read_node(item) for item in node.elts]
        case ast.Dict():
            pairs = zip(node.keys, node.values, strict=True)
            return {str(_read_node(key)): _read_node(value) for key, value in pairs if key is not None}
        case ast.Call(func=ast.Name(id=name)):
            fields = {item.arg.lstrip("_"): _read_node(item.value) for item in node.keywords if item.arg}
            return {"type": _type_name(name), **fields}
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
    return None


def _type_name(name: str) -> str:
    """``TextContent`` and ``TextBlock`` are parts of type ``text``; other names in lower case with underscores."""
    folded = _WORD_START.sub("_", name).lower()
    return next((folded.removesuffix(end) for end in _CONTENT_TYPES if folded.endswith(end)), folded)
