"""A trajectory as JSON and back, without loss.

The messages stand once, under ``messages``; a step says which of them it saw as ranges, so a run of n messages takes
O(n) although every step's history is cumulative. Fields that hold their default are left out. Sequences inside
arbitrary values (arguments, responses, info) come back as lists; all else comes back equal.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from reflect_otel.model.plain_json import from_plain, to_plain
from reflect_otel.model.trajectory import (
    ExecutionMetrics,
    Message,
    MessagePrefix,
    Reward,
    RewardComponent,
    Role,
    Step,
    Task,
    TerminationReason,
    ToolCall,
    ToolResponse,
    TrainableStatus,
    Trajectory,
    TrajectoryMetrics,
)

_SCALARS: Final = ("error", "run_id", "agent", "model", "final_response", "inferred")
_TEXT_LISTS: Final = ("trace_ids", "dialects", "problems")
_OWN_FORM: Final = ("messages", "steps", "task")


def trajectory_to_json(trajectory: Trajectory) -> dict[str, Any]:
    """The trajectory as JSON-ready mappings, lists and scalars.

    ``messages`` holds ``message_count`` messages of the trajectory itself and, behind them, those that only some
    step saw (a history that was rewritten on the way).
    """
    pool = _MessagePool(trajectory.messages)
    steps = [_step_to_json(step, pool) for step in trajectory.steps]
    document: dict[str, Any] = {
        "messages": [message_to_json(message) for message in pool.messages],
        "message_count": len(trajectory.messages),
        "steps": steps,
        "task": _set_fields(trajectory.task),
    }
    return document | _set_fields(trajectory, skipped=_OWN_FORM)


def trajectory_from_json(document: Mapping[str, Any], messages: Iterable[Message] | None = None) -> Trajectory:
    """The trajectory that ``trajectory_to_json`` was given.

    Args:
        document: what it made.
        messages: the messages, where they are kept apart from the document.
    """
    pool = tuple(map(message_from_json, document["messages"]) if messages is None else messages)
    return _read_trajectory(document, pool)


def _read_trajectory(document: Mapping[str, Any], pool: tuple[Message, ...]) -> Trajectory:
    messages = pool[: document["message_count"]]
    fields: dict[str, Any] = {name: from_plain(document[name]) for name in _SCALARS if name in document}
    fields |= {name: tuple(from_plain(document[name])) for name in _TEXT_LISTS if name in document}
    return Trajectory(
        task=Task(**_read_fields(document["task"])),
        steps=tuple(_step_from_json(step, pool, messages) for step in document["steps"]),
        messages=messages,
        reward=_reward_from_json(document.get("reward")),
        metrics=TrajectoryMetrics(**_read_fields(document["metrics"])) if "metrics" in document else None,
        execution_metrics=_execution_from_json(document.get("execution_metrics")),
        **fields,
    )


def message_to_json(message: Message) -> dict[str, Any]:
    """One message; fields that hold their default are left out."""
    return _set_fields(message) | {"role": message.role.value}


def message_from_json(document: Mapping[str, Any]) -> Message:
    """The message that ``message_to_json`` was given."""
    fields = _read_fields(document)
    fields["role"] = Role(fields["role"])
    if "trainable_status" in fields:
        fields["trainable_status"] = TrainableStatus(fields["trainable_status"])
    if fields.get("tool_calls") is not None:
        fields["tool_calls"] = tuple(ToolCall(**call) for call in fields["tool_calls"])
    if fields.get("tool_response") is not None:
        fields["tool_response"] = ToolResponse(**fields["tool_response"])
    return Message(**fields)


class _MessagePool:
    """The trajectory's messages, and those that steps saw beside them; finds any of them again by position."""

    def __init__(self, shared: tuple[Message, ...]) -> None:
        self._shared = shared
        self.messages = list(shared)
        self._by_identity = {id(message): position for position, message in enumerate(shared)}
        self._by_content: dict[str, int] = {}

    def find_ranges(self, seen: Sequence[Message]) -> list[list[int]]:
        """Half-open ranges of positions that together are what a step saw."""
        if isinstance(seen, MessagePrefix) and seen.shared is self._shared:
            return [[0, len(seen)]] if len(seen) else []
        return _build_ranges(self._find(message) for message in seen)

    def _find(self, message: Message) -> int:
        position = self._by_identity.get(id(message))
        if position is not None:
            return position
        if not self._by_content:
            self._by_content = {_content_key(known): at for at, known in reversed(list(enumerate(self.messages)))}
        position = self._by_content.setdefault(_content_key(message), len(self.messages))
        if position == len(self.messages):
            self.messages.append(message)
            self._by_identity[id(message)] = position
        return position


def _content_key(message: Message) -> str:
    return json.dumps(message_to_json(message), sort_keys=True)


def _build_ranges(positions: Iterable[int]) -> list[list[int]]:
    ranges: list[list[int]] = []
    for position in positions:
        if ranges and ranges[-1][1] == position:
            ranges[-1][1] = position + 1
        else:
            ranges.append([position, position + 1])
    return ranges


def _step_to_json(step: Step, pool: _MessagePool) -> dict[str, Any]:
    document: dict[str, Any] = {"ranges": pool.find_ranges(step.messages)}
    if step.reward is not None:
        document["reward"] = _set_fields(step.reward)
    if step.info is not None:
        document["info"] = to_plain(step.info)
    if step.trainable_status is not TrainableStatus.NOT_TRAINABLE:
        document["trainable_status"] = step.trainable_status.value
    return document


def _step_from_json(document: Mapping[str, Any], pool: tuple[Message, ...], messages: tuple[Message, ...]) -> Step:
    return Step(
        messages=_read_ranges(document["ranges"], pool, messages),
        reward=_reward_from_json(document.get("reward")),
        info=from_plain(document["info"]) if "info" in document else None,
        trainable_status=TrainableStatus(document.get("trainable_status", TrainableStatus.NOT_TRAINABLE)),
    )


def _read_ranges(
    ranges: Sequence[Sequence[int]], pool: tuple[Message, ...], messages: tuple[Message, ...]
) -> Sequence[Message]:
    if not ranges:
        return MessagePrefix(messages, 0)
    if len(ranges) == 1 and ranges[0][0] == 0 and ranges[0][1] <= len(messages):
        return MessagePrefix(messages, ranges[0][1])
    return tuple(message for start, end in ranges for message in pool[start:end])


def _reward_from_json(document: Mapping[str, Any] | None) -> Reward | None:
    if document is None:
        return None
    fields = _read_fields(document)
    components = tuple(RewardComponent(**part) for part in fields.pop("components", ()))
    return Reward(**fields, components=components)


def _execution_from_json(document: Mapping[str, Any] | None) -> ExecutionMetrics | None:
    if document is None:
        return None
    fields = _read_fields(document)
    if fields.get("termination_reason") is not None:
        fields["termination_reason"] = TerminationReason(fields["termination_reason"])
    return ExecutionMetrics(**fields)


def _set_fields(part: Any, skipped: Sequence[str] = ()) -> dict[str, Any]:
    """The fields of a dataclass that differ from their default, those inside it likewise."""
    document: dict[str, Any] = {}
    for field in dataclasses.fields(part):
        if field.name in skipped:
            continue
        value = getattr(part, field.name)
        if field.default_factory is not dataclasses.MISSING:
            is_default = value == field.default_factory()
        else:
            is_default = value is field.default or (value == field.default and type(value) is type(field.default))
        if not is_default:
            document[field.name] = _plain_field(value)
    return document


def _plain_field(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return _set_fields(value)
    if isinstance(value, tuple):
        return [_plain_field(item) for item in value]
    return to_plain(value)


def _read_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: from_plain(value) for name, value in document.items()}
