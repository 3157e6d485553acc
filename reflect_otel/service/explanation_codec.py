"""Explanations on the wire, as the service sends them."""

from typing import Any, Final

from reflect_otel.model.explanation import Candidate, Explanation, LeftOut
from reflect_otel.service.codec import build_memory
from reflect_otel.wire.v1 import reflect_pb2 as wire

_REASONS: Final = {reason: wire.LeftOut.Name(wire.LeftOut.Value(f"LEFT_OUT_{reason.name}")) for reason in LeftOut}


def build_explanation(explanation: Explanation) -> wire.Explanation:
    """How an augmentation came about."""
    blend: dict[str, Any] = {"lambda": explanation.lambda_}  # a keyword in Python
    return wire.Explanation(
        candidates=[_build_candidate(candidate) for candidate in explanation.candidates],
        embedder_id=explanation.embedder_id,
        gate=explanation.gate,
        threshold=explanation.threshold,
        guarded=explanation.guarded,
        max_injected=explanation.max_injected,
        **blend,
    )


def _build_candidate(candidate: Candidate) -> wire.Candidate:
    return wire.Candidate(
        memory=build_memory(candidate.memory),
        closeness=candidate.closeness,
        rank=candidate.rank,
        note=candidate.note,
        left_out=_REASONS[candidate.left_out] if candidate.left_out else None,
    )
