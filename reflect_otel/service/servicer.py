"""``reflect.v1.ReflectService`` over ``Operations``: messages in, messages out, whoever carries them.

``grpc_handler`` puts it behind a gRPC server; a client in the same process may call it as it is.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from reflect_otel.model.lift import DEFAULT_HALF_WIDTH
from reflect_otel.service import codec, governance_codec, project_codec
from reflect_otel.service.call import Call
from reflect_otel.service.explanation_codec import build_explanation
from reflect_otel.service.governance_servicer import GovernanceServicer
from reflect_otel.service.operations import Operations
from reflect_otel.service.parts import iter_session_parts, iter_trajectory_parts
from reflect_otel.wire.v1 import reflect_pb2 as wire

SERVICE: Final = wire.DESCRIPTOR.services_by_name["ReflectService"]
SERVICE_NAME: Final = SERVICE.full_name
"""Name for gRPC health and server reflection."""


class ReflectServicer:
    """One method per RPC: request in, response out; a stream yields responses.

    Args:
        operations: the use cases.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._governance = GovernanceServicer(operations.governance)

    @property
    def methods(self) -> Mapping[str, Callable[[Call, Any], Any]]:
        """The method of each RPC, by its name in the descriptor."""
        return {
            **self._governance.methods,
            "Augment": self.augment,
            "QueryMemories": self.query_memories,
            "CreateTrace": self.create_trace,
            "GetTrace": self.get_trace,
            "ListTraces": self.list_traces,
            "GetSession": self.get_session,
            "GetTrajectory": self.get_trajectory,
            "ReviewTrace": self.review_trace,
            "WithdrawReview": self.withdraw_review,
            "WaitTrace": self.wait_trace,
            "DeleteTraces": self.delete_traces,
            "CreateMemory": self.create_memory,
            "GetMemory": self.get_memory,
            "ListMemories": self.list_memories,
            "GetProjectSettings": self.get_project_settings,
            "UpdateProjectSettings": self.update_project_settings,
            "GetLift": self.get_lift,
        }

    def augment(self, call: Call, request: wire.AugmentRequest) -> wire.AugmentResponse:
        """The task with memories."""
        augmented = self._operations.augment(
            call.project_id,
            request.task,
            codec.read_options(request.options),
            run_id=request.run_id,
            trace_id=call.trace_id,
            is_explained=request.explain,
            timeout_seconds=call.answer_seconds,
            is_awaited=call.is_awaited,
        )
        explanation = augmented.explanation
        return wire.AugmentResponse(
            augmented_task=augmented.augmented_task,
            memories=codec.build_memories(augmented.memories),
            control=augmented.control,
            serving_stopped_reason=augmented.serving_stopped_reason,
            explanation=None if explanation is None else build_explanation(explanation),
            degraded=augmented.degraded,
            policy=augmented.policy,
            embedder_id=augmented.embedder_id,
        )

    def query_memories(self, call: Call, request: wire.QueryMemoriesRequest) -> wire.QueryMemoriesResponse:
        """The memories alone."""
        memories = self._operations.query_memories(
            call.project_id,
            request.task,
            codec.read_options(request.options),
            timeout_seconds=call.answer_seconds,
        )
        return wire.QueryMemoriesResponse(memories=codec.build_memories(memories))

    def create_trace(self, call: Call, request: wire.CreateTraceRequest) -> wire.CreateTraceResponse:
        """Store a run in one piece."""
        receipt = self._operations.create_trace(call.project_id, codec.read_draft(request, call.trace_id))
        return wire.CreateTraceResponse(
            trace_id=receipt.id, ingest_status=codec.build_ingest_status(receipt.ingest_status)
        )

    def get_trace(self, call: Call, request: wire.GetTraceRequest) -> wire.GetTraceResponse:
        """One run."""
        return wire.GetTraceResponse(
            trace=codec.build_trace(self._operations.get_trace(call.project_id, request.trace_id))
        )

    def list_traces(self, call: Call, request: wire.ListTracesRequest) -> wire.ListTracesResponse:
        """A page of runs."""
        page = self._operations.list_traces(
            call.project_id,
            review_status=codec.read_review_status(request.review_status),
            agent=request.agent or None,
            session_id=request.session_id or None,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return wire.ListTracesResponse(
            traces=[codec.build_trace(trace) for trace in page.items], next_page_token=page.next_page_token
        )

    def get_session(self, call: Call, request: wire.GetSessionRequest) -> Iterator[wire.GetSessionResponse]:
        """One conversation, in parts."""
        session = self._operations.sessions.get_session(call.project_id, request.session_id)
        for part in iter_session_parts(session):
            yield wire.GetSessionResponse(session=part)

    def get_trajectory(self, call: Call, request: wire.GetTrajectoryRequest) -> Iterator[wire.GetTrajectoryResponse]:
        """A typed trajectory as JSON text, in parts."""
        trajectory = self._operations.sessions.get_trajectory(
            call.project_id, trace_id=request.trace_id, session_id=request.session_id
        )
        for part in iter_trajectory_parts(trajectory):
            yield wire.GetTrajectoryResponse(json_part=part)

    def review_trace(self, call: Call, request: wire.ReviewTraceRequest) -> wire.ReviewTraceResponse:
        """Review a run and learn from it."""
        trace = self._operations.review_trace(
            call.project_id,
            request.trace_id,
            codec.read_review(request.review),
            timeout_seconds=call.answer_seconds,
        )
        return wire.ReviewTraceResponse(trace=codec.build_trace(trace))

    def withdraw_review(self, call: Call, request: wire.WithdrawReviewRequest) -> wire.WithdrawReviewResponse:
        """Take a review back and unlearn it."""
        trace = self._operations.withdraw_review(
            call.project_id,
            request.trace_id,
            codec.read_review_key(request),
            timeout_seconds=call.answer_seconds,
        )
        return wire.WithdrawReviewResponse(trace=codec.build_trace(trace))

    def wait_trace(self, call: Call, request: wire.WaitTraceRequest) -> Iterator[wire.WaitTraceResponse]:
        """The run each time its status changes, until the caller's deadline."""
        changes = self._operations.watch_trace(
            call.project_id,
            request.trace_id,
            require_reviewed=request.require_reviewed,
            timeout_seconds=call.remaining_seconds,
        )
        call.on_end(changes.cancel)
        for trace in changes:
            yield wire.WaitTraceResponse(trace=codec.build_trace(trace))

    def delete_traces(self, call: Call, request: wire.DeleteTracesRequest) -> wire.DeleteTracesResponse:
        """Delete runs."""
        return wire.DeleteTracesResponse(
            deleted_count=self._operations.delete_traces(
                call.project_id, request.trace_ids, with_memories=request.with_memories
            )
        )

    def create_memory(self, call: Call, request: wire.CreateMemoryRequest) -> wire.CreateMemoryResponse:
        """Store a memory written by hand."""
        memory = self._operations.create_memory(
            call.project_id,
            task=request.task,
            reflection=request.reflection,
            kind=codec.read_kind(request.kind),
            success=request.success if request.HasField("success") else None,
            metadata=dict(request.metadata),
        )
        return wire.CreateMemoryResponse(memory=codec.build_memory(memory))

    def get_memory(self, call: Call, request: wire.GetMemoryRequest) -> wire.GetMemoryResponse:
        """One memory."""
        return wire.GetMemoryResponse(
            memory=codec.build_memory(self._operations.get_memory(call.project_id, request.memory_id))
        )

    def list_memories(self, call: Call, request: wire.ListMemoriesRequest) -> wire.ListMemoriesResponse:
        """A page of memories."""
        page = self._operations.list_memories(
            call.project_id,
            only=governance_codec.read_filter(request),
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return wire.ListMemoriesResponse(
            memories=codec.build_memories(page.items), next_page_token=page.next_page_token
        )

    def get_project_settings(
        self, call: Call, _request: wire.GetProjectSettingsRequest
    ) -> wire.GetProjectSettingsResponse:
        """What holds for the project."""
        settings = self._operations.projects.get_settings(call.project_id)
        return wire.GetProjectSettingsResponse(settings=project_codec.build_settings(settings))

    def update_project_settings(
        self, call: Call, request: wire.UpdateProjectSettingsRequest
    ) -> wire.UpdateProjectSettingsResponse:
        """Change what is given."""
        change = project_codec.read_change(request.settings)
        settings = self._operations.projects.update_settings(call.project_id, change, request.reset)
        return wire.UpdateProjectSettingsResponse(settings=project_codec.build_settings(settings))

    def get_lift(self, call: Call, request: wire.GetLiftRequest) -> wire.GetLiftResponse:
        """Runs with memories against runs without."""
        report = self._operations.projects.get_lift(
            call.project_id,
            agent=request.agent,
            memory_id=request.memory_id,
            since_ns=project_codec.read_since(request),
            half_width=request.half_width if request.HasField("half_width") else DEFAULT_HALF_WIDTH,
        )
        return project_codec.build_report(report)
