"""The two vectors of a memory: of the task it is found by, and of what it says."""

from collections.abc import Sequence

from reflect_otel.learning.lesson import build_retrieval_key
from reflect_otel.model.memory import Memory
from reflect_otel.ports import Embedder, StoredVector


def embed_memories(memories: Sequence[tuple[str, Memory]], embedder: Embedder) -> list[StoredVector]:
    """Each (project id, memory) with its vectors, asked for in one call.

    Raises:
        TransportError: the embedder's endpoint does not answer.
        ConfigError: the embedder's endpoint refuses the call.
    """
    keys = [build_retrieval_key(memory) for _, memory in memories]
    vectors = embedder.embed([*keys, *(memory.reflection for _, memory in memories)])
    return [
        StoredVector(
            project_id=project_id,
            memory=memory,
            task_vector=task_vector,
            embedder_id=embedder.id,
            content_vector=content_vector,
        )
        for (project_id, memory), task_vector, content_vector in zip(
            memories, vectors[: len(keys)], vectors[len(keys) :], strict=True
        )
    ]
