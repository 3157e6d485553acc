"""The reflector that asks a language model, and falls back to one that needs none.

One question; one repair with the list of what was wrong; then the fall-back, with the reason kept beside the lesson.
While the endpoint is in trouble the job is given back to the durable queue and tried again, later and later; its last
try does without the model.
"""

import secrets
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from reflect_otel.errors import BudgetSpent, ConfigError, TransportError
from reflect_otel.learning.answers import Lesson, read_reflection
from reflect_otel.learning.condense import quote
from reflect_otel.learning.model_caller import ModelCaller
from reflect_otel.learning.prompts import Prompt, allowed_kinds, build_reflection_prompt
from reflect_otel.model.model_call import CallPurpose, Completion
from reflect_otel.model.reflection import LearningInput, Reflection
from reflect_otel.ports import Reflector

LONGEST_RAW_OUTPUT: Final = 8_000
_LONGEST_NOTE: Final = 400
_TRIES: Final = 2


class ModelReflector:
    """A ``Reflector`` over a language model.

    Args:
        caller: asks the model and keeps to the budget.
        fallback: writes the lesson when the model cannot.
        allowed_hosts: hosts whose addresses may stand in a lesson.
    """

    def __init__(self, caller: ModelCaller, fallback: Reflector, allowed_hosts: Collection[str] = ()) -> None:
        self.name = caller.model.provider
        self._caller = caller
        self._fallback = fallback
        self._allowed_hosts = allowed_hosts

    def reflect(self, lesson: LearningInput) -> Reflection | None:
        """The model's lesson, or the fall-back's with a note why.

        Raises:
            TransportError: the endpoint does not answer now, and this is not the last try.
        """
        if not lesson.trajectory.messages:
            return self._fall_back(lesson, "the run holds no conversation to ask about")
        prompt = build_reflection_prompt(lesson, f"data-{secrets.token_hex(8)}")
        try:
            return self._ask(lesson, prompt)
        except (BudgetSpent, ConfigError) as error:
            return self._fall_back(lesson, str(error), prompt)
        except TransportError as error:
            if not lesson.is_last_try:
                raise
            return self._fall_back(lesson, f"no answer after every try: {error}", prompt)

    def _ask(self, lesson: LearningInput, prompt: Prompt) -> Reflection | None:
        question, answer = prompt, ""
        problems: tuple[str, ...] = ()
        for _ in range(_TRIES):
            completion = self._caller.ask(lesson.project_id, lesson.run_id, CallPurpose.REFLECTION, question)
            answer = completion.text
            found, problems = self._read(completion, lesson)
            if found is not None:
                return self._build(found, prompt, answer)
            question = prompt.repaired(answer, problems)
        return self._fall_back(lesson, f"its answer could not be used: {'; '.join(problems)}", prompt, answer)

    def _read(self, completion: Completion, lesson: LearningInput) -> tuple[Lesson | None, tuple[str, ...]]:
        if completion.problem:
            return None, (completion.problem,)
        return read_reflection(completion.text, lesson, self._allowed_hosts)

    def _build(self, found: Lesson, prompt: Prompt, answer: str) -> Reflection:
        return Reflection(
            kind=found.kind,
            text=found.text,
            evidence_steps=found.evidence_steps,
            reflector=self.name,
            model=self._caller.model.model,
            note="" if found.text else "the model found nothing reusable in this run",
            prompt_hash=prompt.hash,
            raw_output=answer[:LONGEST_RAW_OUTPUT],
        )

    def _fall_back(
        self, lesson: LearningInput, why: str, prompt: Prompt | None = None, answer: str = ""
    ) -> Reflection:
        drawn = self._fallback.reflect(lesson) or Reflection(kind=allowed_kinds(lesson)[-1], text="")
        note = f"{self.name} {self._caller.model.model} was not used: {quote(why, _LONGEST_NOTE)}"
        return replace(
            drawn,
            note=f"{note}; {drawn.note}" if drawn.note else note,
            prompt_hash=prompt.hash if prompt else "",
            raw_output=answer[:LONGEST_RAW_OUTPUT],
        )
