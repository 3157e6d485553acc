"""The run that the current code belongs to: its id in W3C baggage, its root span in the local context."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeGuard

from opentelemetry import baggage, context
from opentelemetry.context import Context
from opentelemetry.trace import Span

from reflect_otel.attributes import GEN_AI_AGENT_NAME, REFLECT_RUN_ID, REFLECT_TASK
from reflect_otel.errors import InvalidArgument

MAX_RUN_ID_CHARACTERS: Final = 200
_SCOPE_KEY: Final = context.create_key("reflect-run-scope")


class RunScope:
    """What ``run()`` said about the run, until its first span takes it over as the run's root.

    Attributes:
        root: the first span started in the scope, or ``None`` before that.
        take_review: where a review of the run goes (result, feedback, score); ``None`` = onto a span.
    """

    __slots__ = ("_attributes", "root", "take_review")

    def __init__(self, task: str | None, agent: str | None) -> None:
        given = {REFLECT_TASK: task, GEN_AI_AGENT_NAME: agent}
        self._attributes = {key: text for key, text in given.items() if text}
        self.root: Span | None = None
        self.take_review: Callable[[str, str | None, float | None], None] | None = None

    def claim(self, span: Span) -> None:
        """Make ``span`` the root unless there is one; task and agent go onto it, but not over its own."""
        if self.root is not None:
            return
        self.root = span
        present = getattr(span, "attributes", None) or {}
        span.set_attributes({key: text for key, text in self._attributes.items() if key not in present})


@contextmanager
def run(run_id: str | None = None, *, task: str | None = None, agent: str | None = None) -> Iterator[str]:
    """Everything traced inside the block belongs to one run, also in services it calls; yields the run id.

    Args:
        run_id: run key, at most 200 characters; a new UUID when not given.
        task: what is asked, put on the run's first span.
        agent: name of the agent, put on the run's first span.

    Raises:
        InvalidArgument: for an empty-looking or overlong run id.
    """
    run_id = run_id or str(uuid.uuid4())
    if not _is_run_id(run_id):
        raise InvalidArgument(f"run_id must be 1 to {MAX_RUN_ID_CHARACTERS} printable characters", field="run_id")
    token = context.attach(build_run_context(run_id, RunScope(task, agent)))
    try:
        yield run_id
    finally:
        context.detach(token)


def build_run_context(run_id: str, scope: RunScope) -> Context:
    """The current context, with everything started in it belonging to the run."""
    return context.set_value(_SCOPE_KEY, scope, baggage.set_baggage(REFLECT_RUN_ID, run_id))


def find_run_id(within: Context | None = None) -> str | None:
    """The run id in the W3C baggage of ``within`` or the current context; ``None`` when absent or malformed."""
    value = baggage.get_baggage(REFLECT_RUN_ID, within)
    return value if _is_run_id(value) else None


def find_scope(within: Context | None = None) -> RunScope | None:
    """The innermost ``run()`` block of ``within`` or the current context."""
    scope = context.get_value(_SCOPE_KEY, within)
    return scope if isinstance(scope, RunScope) else None


def _is_run_id(value: object) -> TypeGuard[str]:
    return (
        isinstance(value, str)
        and len(value.strip()) > 0
        and len(value) <= MAX_RUN_ID_CHARACTERS
        and value.isprintable()
    )
