"""Credentials in text: found and taken out before anything is shown to a language model or stored as a lesson. Pure.

The forms are those that the issuers document (prefix, alphabet, length); named values (``password=...``) are found by
their name.
"""

import re
from typing import Final

REDACTED: Final = "[redacted]"

_NAMED: Final = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|api[_-]?key|access[_-]?key|auth[_-]?token|access[_-]?token|token)"
)
_FORMS: Final = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[\s\S]{0,8000}?-----END [A-Z ]*PRIVATE KEY-----)?",
    r"\bsk-[A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic and others
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",  # AWS access key ids
    r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}",
    r"\bglpat-[A-Za-z0-9_-]{16,}|\bnpm_[A-Za-z0-9]{20,}|\bhf_[A-Za-z0-9]{20,}|\bpypi-[A-Za-z0-9_-]{30,}",
    r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",  # Slack
    r"\bAIza[A-Za-z0-9_-]{30,}|\bya29\.[A-Za-z0-9_-]{20,}",  # Google
    r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
    r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",  # SendGrid
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",  # JSON web tokens
    r"\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@]{1,80}:[^\s/@]{1,80}@",  # credentials in an address
    r"\b(?:bearer|basic)\s+[A-Za-z0-9._~+/-]{16,}=*",
    rf"\b{_NAMED}[\"']?\s*(?:=|:)\s*[\"']?(?=[^\s\"']{{0,100}}[\d!@#$%^&*_+-])[^\s\"',;]{{6,}}",
    rf"\b{_NAMED}\s+is\s+[\"']?(?=[^\s\"']{{0,100}}\d)[^\s\"',;]{{6,}}",
)
_CREDENTIAL: Final = re.compile("|".join(f"(?:{form})" for form in _FORMS), re.IGNORECASE)
_CARD: Final = re.compile(r"\b(?:\d[ -]?){13,19}\b")


def has_credential(text: str) -> bool:
    """Whether the text holds a key, token, password or payment card number."""
    return _CREDENTIAL.search(text) is not None or any(map(_is_card, _CARD.findall(text)))


def redact(text: str) -> str:
    """The text with every credential replaced by ``REDACTED``."""
    return _CARD.sub(_redact_card, _CREDENTIAL.sub(REDACTED, text))


def _redact_card(match: re.Match[str]) -> str:
    return REDACTED if _is_card(match[0]) else match[0]


def _is_card(digits: str) -> bool:
    """The Luhn check, which one in ten random numbers passes."""
    numbers = [int(digit) for digit in reversed(digits) if digit.isdigit()]
    doubled = (sum(divmod(number * 2, 10)) for number in numbers[1::2])
    return len(numbers) >= 13 and len(set(numbers)) > 1 and (sum(numbers[::2]) + sum(doubled)) % 10 == 0
