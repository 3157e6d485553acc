"""Language-model calls under a budget: counted before they are made, spaced out while the endpoint is in trouble."""

import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from reflect_otel.errors import BudgetSpent, DeadlineExceeded, ReflectError, TransportError, Unavailable
from reflect_otel.learning.prompts import Prompt
from reflect_otel.model.model_call import UNDER_WAY, CallPurpose, Completion, ModelCall, ModelLimits
from reflect_otel.ports import Clock, LanguageModel, ModelCallLedger

MAX_PAUSE_SECONDS: Final = 300.0
"""Longest pause after a failed call, also when the endpoint asks for more."""

_LONGEST_OWN_PAUSE_SECONDS: Final = 60.0
_CHARACTERS_PER_TOKEN: Final = 3
"""On the safe side: the estimate is replaced by the real count after the call."""
_LONGEST_REASON: Final = 300
_SECOND_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _SECOND_NS

_log: Final = logging.getLogger(__name__)


class ModelCaller:
    """Asks a language model on behalf of projects. Safe to call from any thread.

    An entry with estimated tokens is committed before each call and replaced after it, so that neither two threads
    nor a crash in the middle of a call spend more than the budget.

    Args:
        model: the language model.
        ledger: where calls are counted.
        limits: prices, and the budget of every project.
        clock: Unix time in nanoseconds.
        find_ceiling_usd: US dollars a day for one project, in place of ``limits``; ``None`` where it sets none.
        max_output_tokens: what a call is counted with before its answer is known.
    """

    def __init__(
        self,
        model: LanguageModel,
        ledger: ModelCallLedger,
        limits: ModelLimits,
        clock: Clock,
        find_ceiling_usd: Callable[[str], float | None] = lambda _project_id: None,
        max_output_tokens: int = 1_000,
    ) -> None:
        self.model = model
        self._ledger = ledger
        self._limits = limits
        self._clock = clock
        self._find_ceiling_usd = find_ceiling_usd
        self._max_output_tokens = max_output_tokens
        self._counting = threading.Lock()
        self._failures = 0
        self._resume_at_ns = 0
        self._trouble = ""

    def ask(self, project_id: str, run_id: str, purpose: CallPurpose, prompt: Prompt) -> Completion:
        """The model's answer.

        Raises:
            BudgetSpent: the project's budget does not allow the call; nothing was asked.
            TransportError: no answer now; ``retry_after_seconds`` says when to come back.
            ConfigError: the endpoint refuses the call as it is set up.
        """
        self._require_reachable()
        call = self._reserve(project_id, run_id, purpose, prompt)
        try:
            completion = self.model.complete(
                prompt.system, prompt.user, schema_name=prompt.schema_name, schema=prompt.schema
            )
        except Exception as error:
            self._settle(project_id, _uncounted(call, error))
            noted = self._noted(error)
            if noted is error:
                raise
            raise noted from error
        self._failures, self._trouble = 0, ""
        self._settle(project_id, _counted(call, completion))
        return completion

    @property
    def trouble(self) -> str:
        """Why the last call brought no answer or was not made; empty when it brought one."""
        return self._trouble

    def _require_reachable(self) -> None:
        left_seconds = (self._resume_at_ns - self._clock()) / _SECOND_NS
        if left_seconds > 0:
            raise Unavailable(f"waiting after: {self._trouble}", retry_after_seconds=left_seconds)

    def _reserve(self, project_id: str, run_id: str, purpose: CallPurpose, prompt: Prompt) -> ModelCall:
        call = ModelCall(
            call_id=secrets.token_hex(16),
            run_id=run_id,
            purpose=purpose,
            model=self.model.model,
            input_tokens=len(prompt.system + prompt.user) // _CHARACTERS_PER_TOKEN,
            output_tokens=self._max_output_tokens,
            error=UNDER_WAY,
            started_ns=self._clock(),
        )
        call = replace(call, cost_usd=self._limits.cost_usd(call.input_tokens, call.output_tokens))
        with self._counting:
            try:
                self._require_budget(project_id, call)
            except BudgetSpent as error:
                self._trouble = str(error)
                raise
            self._ledger.write_model_call(project_id, call)
        return call

    def _require_budget(self, project_id: str, call: ModelCall) -> None:
        limits = self._limits
        spent = self._ledger.read_spending(project_id, call.started_ns - call.started_ns % _DAY_NS)
        tokens = spent.tokens + call.input_tokens + call.output_tokens
        if limits.daily_tokens and tokens > limits.daily_tokens:
            raise BudgetSpent(
                f"today's budget of {limits.daily_tokens:,} tokens does not allow another call "
                f"({spent.tokens:,} spent); it is free again at midnight UTC, or raise it"
            )
        own = self._find_ceiling_usd(project_id)
        ceiling_usd = (limits.daily_usd or None) if own is None else own
        if ceiling_usd is not None and not (limits.input_usd or limits.output_usd):
            raise BudgetSpent("a budget in USD cannot be kept without prices; pass --model-price")
        if ceiling_usd is not None and spent.cost_usd + call.cost_usd > ceiling_usd:
            raise BudgetSpent(
                f"today's budget of {ceiling_usd:g} USD does not allow another call "
                f"({spent.cost_usd:.4f} spent); it is free again at midnight UTC, or raise it"
            )

    def _settle(self, project_id: str, call: ModelCall) -> None:
        cost_usd = self._limits.cost_usd(call.input_tokens, call.output_tokens)
        self._ledger.write_model_call(project_id, replace(call, cost_usd=cost_usd))

    def _noted(self, error: Exception) -> ReflectError:
        """The error with the pause it leads to; anything unforeseen counts as trouble of the endpoint."""
        self._trouble = _describe(error)
        if isinstance(error, ReflectError) and not isinstance(error, TransportError):
            return error
        self._failures += 1
        asked = error.retry_after_seconds if isinstance(error, TransportError) else None
        own = min(2.0 ** (self._failures - 1), _LONGEST_OWN_PAUSE_SECONDS)
        pause_seconds = min(max(own, asked or 0.0), MAX_PAUSE_SECONDS)
        self._resume_at_ns = self._clock() + round(pause_seconds * _SECOND_NS)
        _log.warning("the language model did not answer (%r); next call in %.0f s", self._trouble, pause_seconds)
        if isinstance(error, TransportError):
            error.retry_after_seconds = pause_seconds
            return error
        return Unavailable(self._trouble, retry_after_seconds=pause_seconds)


def _counted(call: ModelCall, completion: Completion) -> ModelCall:
    return replace(
        call,
        input_tokens=call.input_tokens if completion.input_tokens is None else completion.input_tokens,
        output_tokens=call.output_tokens if completion.output_tokens is None else completion.output_tokens,
        error=completion.problem,
    )


def _uncounted(call: ModelCall, error: Exception) -> ModelCall:
    """A call without an answer: it cost nothing, unless it was under way so long that it may well have."""
    reason = f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
    if isinstance(error, DeadlineExceeded):
        return replace(call, error=reason)
    return replace(call, input_tokens=0, output_tokens=0, error=reason)


def _describe(error: Exception) -> str:
    text = str(error) if isinstance(error, ReflectError) else f"{type(error).__name__}: {error}"
    return text[:_LONGEST_REASON]
