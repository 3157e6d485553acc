"""Calls to a language model as the budget counts them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

UNDER_WAY: Final = "under way"
"""``ModelCall.error`` of a call that is being made."""


class CallPurpose(StrEnum):
    """What a language model was asked for."""

    REFLECTION = "reflection"
    JUDGEMENT = "judgement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a language model answered.

    Attributes:
        text: the answer; empty for a refusal.
        problem: why the answer cannot be used, such as a refusal or a length limit; empty when it can.
        input_tokens: as the endpoint counted them; ``None`` when it did not say.
        output_tokens: likewise.
    """

    text: str
    problem: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One call: written with estimated tokens before it is made, and again with the real ones after it.

    Attributes:
        call_id: unique; writing the same id again replaces the entry.
        cost_usd: by the configured prices; 0 without prices.
        error: why it brought no answer that could be used; empty when it did, ``under way`` while it is made.
        started_ns: Unix time in nanoseconds.
    """

    call_id: str
    run_id: str
    purpose: CallPurpose
    model: str
    input_tokens: int
    output_tokens: int
    cost_usd: float = 0.0
    error: str = ""
    started_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What a project's calls came to."""

    calls: int = 0
    tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLimits:
    """What a project may spend on language models in a UTC day; 0 = no ceiling.

    Attributes:
        input_usd: price of a million prompt tokens.
        output_usd: price of a million answer tokens.
    """

    daily_tokens: int = 5_000_000
    daily_usd: float = 0.0
    input_usd: float = 0.0
    output_usd: float = 0.0

    def cost_usd(self, input_tokens: int, output_tokens: int) -> float:
        """What so many tokens cost by the configured prices."""
        return (input_tokens * self.input_usd + output_tokens * self.output_usd) / 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """How a language model is called; key and address are the library's own settings.

    Attributes:
        timeout_seconds: longest single call.
        max_output_tokens: longest answer.
    """

    model: str
    timeout_seconds: float = 60.0
    max_output_tokens: int = 1_000
