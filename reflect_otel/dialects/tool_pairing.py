"""Tool calls with their results: by id, else by name and arguments, else by name and order within one turn.

A result comes from the next call's history or from the tool's own span. Whichever is missing is completed by the
other: a result that was never sent back, a call that no recorded answer holds.
"""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from reflect_otel.dialects.conversation import Transcript
from reflect_otel.dialects.decoding import write_text
from reflect_otel.dialects.span_readers import ReadSpan, merge_tool_runs
from reflect_otel.dialects.span_tree import SpanTree
from reflect_otel.dialects.threads import Entry
from reflect_otel.model.reading import ToolRun, Work
from reflect_otel.model.trajectory import Message, Role, ToolCall, ToolResponse

_COMPARED: Final = 16
"""How many executions of one tool are searched for a call's arguments."""


@dataclass(eq=False, slots=True)
class ToolUse:
    """One execution of a tool, merged from all spans that recorded it."""

    run: ToolRun
    start_ns: int
    end_ns: int
    call: ToolCall | None = None

    @property
    def error(self) -> str | None:
        """Why it failed, or ``None``."""
        return self.run.error


@dataclass(eq=False, slots=True)
class _Turn:
    """An assistant message with tool calls and the tool messages that answer it."""

    entry: Entry
    answers: list[Entry]


def find_tool_uses(spans: Sequence[ReadSpan], tree: SpanTree) -> list[ToolUse]:
    """The run's tool executions in order of their start; a tool span under one of the same name counts once."""
    tools = [span for span in spans if span.reading.work is Work.TOOL_RUN and span.reading.tool is not None]
    above = tree.find_nearest(tools)
    uses: dict[bytes, ToolUse] = {}
    by_call: dict[str, ToolUse] = {}
    for span in tools:
        run = _with_error(span)
        outer = above.get(span.span.span_id)
        around = uses.get(outer.span.span_id) if outer is not None else None
        same = around if around is not None and around.run.name in ("", run.name) else by_call.get(run.call_id or "")
        if same is None:
            same = ToolUse(run, span.span.start_ns, span.span.end_ns)
        else:
            same.run = merge_tool_runs(same.run, run) or run
        uses[span.span.span_id] = same
        if run.call_id:
            by_call[run.call_id] = same
    return list(dict.fromkeys(uses.values()))


def _with_error(span: ReadSpan) -> ToolRun:
    tool = span.reading.tool or ToolRun()
    return tool if span.error is None or tool.error else replace(tool, error=span.error)


def complete_turns(transcript: Transcript, uses: Sequence[ToolUse]) -> None:
    """Pair the calls of this run with tool messages and tool spans, and add the tool messages that are missing."""
    entries = list(transcript.entries())
    free = _FreeUses(uses, {call.id for entry in entries for call in entry.message.tool_calls or () if call.id})
    for turn in _find_turns(entries):
        calls = turn.entry.message.tool_calls or ()
        answers = _FreeAnswers(turn.answers, calls)
        paired: list[tuple[ToolCall, Entry | None, ToolUse | None]] = []
        for call in calls:
            answer = answers.take(call)
            use = free.take(call, answer) if turn.entry.is_new else None
            paired.append((call, answer, use))
        last = turn.answers[-1] if turn.answers else turn.entry
        for call, answer, use in paired:
            if answer is not None:
                answer.message = _complete(answer.message, call, use)
            elif use is not None:
                last = transcript.insert_after(last, _build_answer(call, use.run))


class _FreeAnswers:
    """Tool messages of one turn that no call has been paired with yet.

    Args:
        answers: the turn's tool messages.
        calls: the turn's calls: an answer with the id of one of them belongs to calls of that id alone.
    """

    def __init__(self, answers: Sequence[Entry], calls: Sequence[ToolCall]) -> None:
        self._by_id: dict[str, deque[Entry]] = {call.id: deque() for call in calls if call.id}
        self._by_name: dict[str, deque[Entry]] = {}
        for answer in answers:
            response = answer.message.tool_response or ToolResponse()
            claimed = self._by_id.get(response.id)
            (self._by_name.setdefault(response.name, deque()) if claimed is None else claimed).append(answer)

    def take(self, call: ToolCall) -> Entry | None:
        """The tool message for this call: same id, else same name, else the next that names nothing."""
        kept = (self._by_id.get(call.id or ""), self._by_name.get(call.name), self._by_name.get(""))
        return next((answers.popleft() for answers in kept if answers), None)


class _FreeUses:
    """Tool executions that no call has been paired with yet.

    Args:
        uses: all executions.
        asked: ids of all calls: an execution with one of them belongs to that call alone.
    """

    def __init__(self, uses: Sequence[ToolUse], asked: Collection[str]) -> None:
        self._by_id = {use.run.call_id: use for use in uses if use.run.call_id}
        self._by_name: dict[str, deque[ToolUse]] = {}
        for use in uses:
            if use.run.call_id not in asked:
                self._by_name.setdefault(_short_name(use.run.name), deque()).append(use)

    def take(self, call: ToolCall, answer: Entry | None) -> ToolUse | None:
        """The execution of this call: same id, else the id of its answer, else same name.

        Of several with the name, the one with the same arguments.
        """
        response = answer.message.tool_response if answer is not None else None
        ids = (call.id or "", response.id if response is not None else "")
        by_id = (use for name in ids if (use := self._by_id.get(name)) is not None and use.call is None)
        use = next(by_id, None) or self._find_named(call)
        if use is not None:
            use.call = call
        return use

    def _find_named(self, call: ToolCall) -> ToolUse | None:
        waiting = self._by_name.get(_short_name(call.name), deque())
        while waiting and waiting[0].call is not None:
            waiting.popleft()
        near = islice(waiting, _COMPARED)
        named = [use for use in near if use.call is None and _same_name(use.run.name, call.name)]
        return next((use for use in named if use.run.arguments == call.arguments), named[0] if named else None)


def _short_name(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _find_turns(entries: Iterable[Entry]) -> list[_Turn]:
    turns: list[_Turn] = []
    turn: _Turn | None = None
    for entry in entries:
        message = entry.message
        if message.role is Role.TOOL:
            if turn is not None:
                turn.answers.append(entry)
        elif message.role is Role.ASSISTANT:
            turn = _Turn(entry, []) if message.tool_calls else None
            if turn is not None:
                turns.append(turn)
        elif message.role is Role.USER:
            turn = None
    return turns


def _same_name(first: str, second: str) -> bool:
    return first == second or first.endswith("." + second) or second.endswith("." + first)


def _complete(message: Message, call: ToolCall, use: ToolUse | None) -> Message:
    response = message.tool_response or ToolResponse(response=message.content)
    if message.content is None and response.response is None and use is not None and use.run.result is not None:
        response = replace(response, response=use.run.result)
        message = replace(message, content=write_text(use.run.result))
    return replace(
        message,
        tool_response=replace(
            response,
            id=response.id or call.id or "",
            name=response.name or call.name,
            arguments=response.arguments or call.arguments,
            error=response.error or (use.error if use is not None else None),
        ),
    )


def _build_answer(call: ToolCall, run: ToolRun) -> Message:
    result = run.result if run.result is not None else run.error
    response = ToolResponse(
        id=call.id or run.call_id or "",
        name=call.name,
        arguments=call.arguments,
        response=run.result,
        error=run.error,
    )
    return Message(role=Role.TOOL, content=write_text(result), tool_response=response)


def build_turn(uses: Sequence[ToolUse]) -> list[Message]:
    """The assistant message and the tool messages of executions that no recorded answer asked for."""
    for use in uses:
        use.call = ToolCall(name=use.run.name, arguments=use.run.arguments, id=use.run.call_id)
    calls = tuple(use.call for use in uses if use.call is not None)
    answers = [_build_answer(call, use.run) for call, use in zip(calls, uses, strict=True)]
    return [Message(role=Role.ASSISTANT, tool_calls=calls), *answers]
