"""Read runs: the trajectory's document, and its messages in chains that share every common beginning."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from reflect_otel.model.trajectory import Trajectory
from reflect_otel.model.trajectory_json import trajectory_from_json, trajectory_to_json
from reflect_otel.store.session import Session
from reflect_otel.store.telemetry import iter_pieces
from reflect_otel.store.value_json import read_json, write_json

_HASH_BYTES: Final = 16


class Head(NamedTuple):
    """The last message of a conversation; a depth of -1 is the empty conversation."""

    chain: int
    depth: int


_EMPTY: Final = Head(0, -1)


def write_trajectory(
    session: Session, project_id: str, run_id: str, trajectory: Trajectory, next_chain: Callable[[], int]
) -> None:
    """Replace the run's trajectory; only messages that no stored conversation begins with are added."""
    document = trajectory_to_json(trajectory)
    contents = [write_json(message) for message in document.pop("messages")]
    former = session.fetch("find_heads", project_id=project_id, run_ids=(run_id,))
    head = _write_messages(session, project_id, contents, next_chain)
    session.execute("delete_trajectories", project_id=project_id, run_ids=(run_id,))
    session.execute(
        "insert_trajectory",
        project_id=project_id,
        run_id=run_id,
        head_chain=head.chain,
        head_depth=head.depth,
        document=write_json(document),
    )
    for row in former:
        _release(session, Head(*row))


def find_trajectory(session: Session, project_id: str, run_id: str) -> Trajectory | None:
    """The run's trajectory, ``None`` when the run has not been read."""
    rows = session.fetch("find_trajectory", project_id=project_id, run_id=run_id)
    if not rows:
        return None
    chain, depth, text = rows[0]
    document: dict[str, Any] = read_json(text)
    document["messages"] = [read_json(content) for content in _read_messages(session, Head(chain, depth))]
    return trajectory_from_json(document)


def delete_trajectories(session: Session, project_id: str, run_ids: Sequence[str]) -> None:
    """Delete the trajectories of these runs, and the messages that no other run needs."""
    for piece in iter_pieces(run_ids):
        heads = session.fetch("find_heads", project_id=project_id, run_ids=piece)
        session.execute("delete_trajectories", project_id=project_id, run_ids=piece)
        for row in heads:
            _release(session, Head(*row))


def build_hashes(project_id: str, contents: Sequence[str]) -> list[bytes]:
    """One hash per message, over the message and everything before it in this project."""
    hashes: list[bytes] = []
    parent = project_id.encode("utf-8", "surrogatepass")
    for content in contents:
        parent = hashlib.blake2b(parent + b"\0" + content.encode(), digest_size=_HASH_BYTES).digest()
        hashes.append(parent)
    return hashes


def _write_messages(
    session: Session, project_id: str, contents: Sequence[str], next_chain: Callable[[], int]
) -> Head:
    hashes = build_hashes(project_id, contents)
    known = _find_longest_known(session, project_id, hashes)
    first_new = known.depth + 1
    if first_new == len(contents):
        return known
    chain = next_chain()
    depths = list(range(first_new, len(contents)))
    session.execute(
        "insert_messages",
        project_id=project_id,
        chain=chain,
        depth=depths,
        parent_chain=[known.chain if depth == first_new and first_new else None for depth in depths],
        hash=hashes[first_new:],
        content=list(contents[first_new:]),
    )
    return Head(chain, depths[-1])


def _find_longest_known(session: Session, project_id: str, hashes: Sequence[bytes]) -> Head:
    # from the end: what a stored message's hash covers is stored too, so the first hit is the longest beginning
    for piece in reversed(list(iter_pieces(hashes))):
        rows = session.fetch("find_known_messages", project_id=project_id, hashes=piece)
        if rows:
            return Head(*rows[0])
    return _EMPTY


def _read_messages(session: Session, head: Head) -> list[str]:
    pieces: list[list[str]] = []
    while head.depth >= 0:
        rows = session.fetch("find_chain", chain=head.chain, depth=head.depth)
        pieces.append([content for _, _, content in rows])
        first_depth, parent_chain, _ = rows[0]
        head = Head(parent_chain or 0, first_depth - 1)
    return [content for piece in reversed(pieces) for content in piece]


def _release(session: Session, head: Head) -> None:
    """Delete what only this head needed: the ends of its chains behind the last message others continue from."""
    while head.depth >= 0:
        (needed,) = session.fetch("find_needed_depth", chain=head.chain)[0]
        (first,) = session.fetch("find_chain_parent", chain=head.chain) or (None,)
        if first is None or needed >= head.depth:
            return
        session.execute("delete_chain_tail", chain=head.chain, depth=needed)
        if needed >= first[0]:
            return
        head = Head(first[1] or 0, first[0] - 1)
