"""Answers that may be longer than a gRPC message: cut into parts, so that any client takes them unconfigured."""

import json
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from google.protobuf.message import Message

from reflect_otel.model.session import Session
from reflect_otel.model.trajectory import Trajectory
from reflect_otel.model.trajectory_json import trajectory_to_json
from reflect_otel.service import codec
from reflect_otel.service.paging import MAX_PAGE_BYTES
from reflect_otel.wire.v1 import reflect_pb2 as wire

MAX_JSON_CHARACTERS: Final = 1024 * 1024
"""Of one part; the text is ASCII."""

_Item = TypeVar("_Item", bound=Message)


def iter_session_parts(session: Session) -> Iterator[wire.Session]:
    """Messages that merge to the session: its facts, then its runs, then its conversation.

    A part holds about 3 MiB, or one run or message that is larger.
    """
    yield codec.build_session(session)
    for runs in _iter_groups(map(codec.build_trace, session.runs)):
        yield wire.Session(runs=runs)
    for messages in _iter_groups(map(codec.build_chat, session.trajectory)):
        yield wire.Session(trajectory=messages)


def iter_trajectory_parts(trajectory: Trajectory) -> Iterator[str]:
    """The trajectory's JSON text in pieces of at most 1 MiB."""
    text = json.dumps(trajectory_to_json(trajectory), separators=(",", ":"))
    return (text[start : start + MAX_JSON_CHARACTERS] for start in range(0, len(text), MAX_JSON_CHARACTERS))


def _iter_groups(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    group: list[_Item] = []
    held_bytes = 0
    for item in items:
        size = item.ByteSize()
        if group and held_bytes + size > MAX_PAGE_BYTES:
            yield group
            group, held_bytes = [], 0
        group.append(item)
        held_bytes += size
    if group:
        yield group
