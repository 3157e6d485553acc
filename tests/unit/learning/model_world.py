"""A learning loop whose reflector asks a scripted language model through the real openai library."""

import json

from reflect_otel.learning.model_caller import ModelCaller
from reflect_otel.learning.model_reflector import ModelReflector
from reflect_otel.model.model_call import ModelLimits, ModelOptions
from reflect_otel.model.trajectory import (
    Message,
    MessagePrefix,
    Role,
    Step,
    Task,
    ToolCall,
    ToolResponse,
    Trajectory,
)
from reflect_otel.providers.offline import OfflineReflector
from reflect_otel.providers.openai_model import OpenAIModel
from tests.scripted_llm import text

from .learning_world import PROJECT, World

REFUND = "Refund the damaged coffee order of a customer"
LESSON = {
    "evidence_steps": [0],
    "kind": "strategy",
    "title": "Verify before paying back",
    "when": "money is to be returned for broken goods",
    "do": "Read the purchase with lookup_order and compare its state before calling refund.",
    "avoid": "paying back on the word of the buyer alone",
    "generality": 0.8,
    "reusable": True,
}


def answer(**changes):
    """The model's answer: a good lesson with these fields changed."""
    return text(json.dumps({**LESSON, **changes}))


def agent_run(task=REFUND, order="A-4711", **fields):
    """One look-up, one refund, one answer."""
    messages = (
        Message(role=Role.USER, content=task),
        Message(role=Role.ASSISTANT, tool_calls=(ToolCall(name="lookup_order", arguments={"order": order}, id="1"),)),
        Message(
            role=Role.TOOL, tool_response=ToolResponse(id="1", name="lookup_order", response={"state": "broken"})
        ),
        Message(role=Role.ASSISTANT, tool_calls=(ToolCall(name="refund", arguments={"order": order}, id="2"),)),
        Message(role=Role.TOOL, tool_response=ToolResponse(id="2", name="refund", error="order is locked")),
        Message(role=Role.ASSISTANT, content="It is refunded."),
    )
    steps = tuple(Step(messages=MessagePrefix(messages, end)) for end in (2, 4, 6))
    return Trajectory(task=Task(text=task), messages=messages, steps=steps, **fields)


class ModelWorld(World):
    """A ``World`` with a ``ModelReflector``."""

    def __init__(self, llm, monkeypatch, *, limits=None, timeout_seconds=5.0, **fields):
        for name, value in llm.environment.items():
            monkeypatch.setenv(name, value)
        self.llm = llm
        self.limits = limits or ModelLimits()
        self.timeout_seconds = timeout_seconds
        super().__init__(reflector=None, **fields)

    def open_table(self):
        model = OpenAIModel(ModelOptions(model="gpt-test", timeout_seconds=self.timeout_seconds))
        self.caller = ModelCaller(model, self.store, self.limits, self.clock)
        self.reflector = ModelReflector(self.caller, OfflineReflector())
        super().open_table()

    def try_run(self, run_id, result="pass", task=REFUND, feedback=None, **fields):
        """Make an agent's run, review it, and take the jobs that are due; the run with what came of it."""
        self.run(run_id, task, trajectory=agent_run(task), **fields)
        self.review(run_id, result, feedback)
        self.loop.run_pending()
        return self.detail(run_id)

    def detail(self, run_id):
        return self.store.find_run(PROJECT, run_id)

    def drive(self, run_id, seconds=2_000):
        """Let time pass until the run is learned from; the seconds it took."""
        for passed in range(seconds):
            if self.detail(run_id).learned:
                return passed
            self.clock.advance(1)
            self.loop.run_pending()
        raise AssertionError(f"still {self.detail(run_id)!r}")
