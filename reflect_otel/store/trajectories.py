"""Read runs: the trajectory's document, and its messages in chains that share every common beginning."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from reflect_otel.model.trajectory import Message, Trajectory
from reflect_otel.model.trajectory_json import message_from_json, trajectory_from_json, trajectory_to_json
from reflect_otel.store.columns import storable_text
from reflect_otel.store.pieces import iter_pieces
from reflect_otel.store.session import Row, Session
from reflect_otel.store.value_json import read_json, write_json

_HASH_BYTES: Final = 16


class Head(NamedTuple):
    """The last message of a conversation; a depth of -1 is the empty conversation."""

    chain: int
    depth: int


_EMPTY: Final = Head(0, -1)


def write_trajectories(
    session: Session, project_id: str, read: Mapping[str, Trajectory], next_chain: Callable[[], int]
) -> None:
    """Replace the trajectories of these runs; only messages that no stored conversation begins with are added."""
    former = [
        Head(*row)
        for piece in iter_pieces(read)
        for row in session.fetch("find_heads", project_id=project_id, run_ids=piece)
    ]
    documents = {run_id: trajectory_to_json(trajectory) for run_id, trajectory in read.items()}
    conversations = [[write_json(message) for message in document.pop("messages")] for document in documents.values()]
    heads = _write_messages(session, project_id, conversations, next_chain)
    if former:
        for piece in iter_pieces(read):
            session.execute("delete_trajectories", project_id=project_id, run_ids=piece)
    session.execute(
        "insert_trajectories",
        project_id=project_id,
        run_id=list(documents),
        head_chain=[head.chain for head in heads],
        head_depth=[head.depth for head in heads],
        document=[write_json(document) for document in documents.values()],
    )
    for head in former:
        _release(session, head)


def find_trajectory(session: Session, project_id: str, run_id: str) -> Trajectory | None:
    """The run's trajectory, ``None`` when the run has not been read."""
    return next((trajectory for _, trajectory in iter_trajectories(session, project_id, (run_id,))), None)


def iter_trajectories(session: Session, project_id: str, run_ids: Iterable[str]) -> Iterator[tuple[str, Trajectory]]:
    """The trajectory of each run that has been read, in the order asked for; what they share is read once."""
    chains = _Chains(session)
    for piece in iter_pieces(run_ids):
        rows = session.fetch("find_trajectories", project_id=project_id, run_ids=tuple(map(storable_text, piece)))
        found = {row[0]: (Head(row[1], row[2]), row[3]) for row in rows}
        chains.fetch([head for head, _ in found.values()])
        for run_id in piece:
            head, text = found.get(storable_text(run_id), (_EMPTY, None))
            if text is not None:
                yield run_id, trajectory_from_json(read_json(text), chains.read(head))


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
    session: Session, project_id: str, conversations: Sequence[Sequence[str]], next_chain: Callable[[], int]
) -> list[Head]:
    """Add what is new of these conversations, which may share beginnings; the head of each."""
    hashes = [build_hashes(project_id, contents) for contents in conversations]
    known = _find_known(session, project_id, {key for keys in hashes for key in keys})
    added: list[tuple[int, int, int | None, bytes, str]] = []
    heads: list[Head] = []
    for keys, contents in zip(hashes, conversations, strict=True):
        head = next((known[key] for key in reversed(keys) if key in known), _EMPTY)
        first_new = head.depth + 1
        if first_new < len(keys):
            chain = next_chain()
            for depth in range(first_new, len(keys)):
                parent = head.chain if depth == first_new and first_new else None
                added.append((chain, depth, parent, keys[depth], contents[depth]))
                known[keys[depth]] = Head(chain, depth)
            head = Head(chain, len(keys) - 1)
        heads.append(head)
    if added:
        columns = zip(("chain", "depth", "parent_chain", "hash", "content"), zip(*added, strict=True), strict=True)
        session.execute("insert_messages", project_id=project_id, **{name: list(values) for name, values in columns})
    return heads


def _find_known(session: Session, project_id: str, hashes: Iterable[bytes]) -> dict[bytes, Head]:
    return {
        row[0]: Head(row[1], row[2])
        for piece in iter_pieces(hashes)
        for row in session.fetch("find_known_messages", project_id=project_id, hashes=piece)
    }


class _Link(NamedTuple):
    """A chain as far as it was read: the message it continues, and its own messages."""

    parent: Head
    messages: list[Message]


class _Chains:
    """Conversations read chain by chain, each once: those of one session are mostly the same."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._links: dict[int, _Link] = {}

    def fetch(self, heads: Iterable[Head]) -> None:
        """Read what these conversations need and was not read yet: their last chains, then what those continue."""
        while missing := {head for head in heads if head.depth >= 0 and not self._holds(head)}:
            for piece in iter_pieces({head.chain for head in missing}):
                self._fetch_chains(piece, max(head.depth for head in missing))
            heads = [self._links[head.chain].parent for head in missing]

    def read(self, head: Head) -> list[Message]:
        """The conversation that ends with this message, which was fetched."""
        pieces: list[list[Message]] = []
        while head.depth >= 0:
            link = self._links[head.chain]
            pieces.append(link.messages[: head.depth - link.parent.depth])
            head = link.parent
        return [message for piece in reversed(pieces) for message in piece]

    def _holds(self, head: Head) -> bool:
        link = self._links.get(head.chain)
        return link is not None and link.parent.depth + len(link.messages) >= head.depth

    def _fetch_chains(self, chains: tuple[int, ...], depth: int) -> None:
        found: dict[int, list[Row]] = {}
        for row in self._session.fetch("find_chains", chains=chains, depth=depth):
            found.setdefault(row[0], []).append(row[1:])
        for chain, rows in found.items():
            first_depth, parent_chain, _ = rows[0]
            messages = [message_from_json(read_json(content)) for _, _, content in rows]
            self._links[chain] = _Link(Head(parent_chain or 0, first_depth - 1), messages)


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
