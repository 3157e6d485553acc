"""What the agent side shows of a run of the control group: a flag, and an attribute on the span around the call."""

import pytest
from opentelemetry.sdk.trace import TracerProvider

from reflect_otel.wire.v1 import reflect_pb2 as wire


@pytest.mark.parametrize("control", [True, False])
def test_a_control_run_is_told_to_the_caller_and_to_the_current_span(service, client, control):
    service.answers["Augment"] = wire.AugmentResponse(augmented_task="task", control=control)
    with TracerProvider().get_tracer("agent").start_as_current_span("run") as span:
        augmented = client.augment_with_memories("task")
    assert (augmented.control, augmented.degraded) == (control, False)
    assert span.attributes.get("reflect.memory.control") == (True if control else None)


def test_a_control_run_under_a_pattern_says_so(service, client):
    service.answers["Augment"] = wire.AugmentResponse(augmented_task="task", control=True)
    service.answers["CreateTrace"] = wire.CreateTraceResponse(trace_id="r")
    with client.trace("task") as run:
        assert (run.control, run.augmented_task, run.memories) == (True, "task", ())


def test_a_stopped_project_gives_its_reason(service, client):
    service.answers["Augment"] = wire.AugmentResponse(augmented_task="task", serving_stopped_reason="harm")
    assert client.augment_with_memories("task").serving_stopped_reason == "harm"
