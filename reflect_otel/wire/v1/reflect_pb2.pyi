from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReviewResult(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REVIEW_RESULT_UNSPECIFIED: _ClassVar[ReviewResult]
    REVIEW_RESULT_PASS: _ClassVar[ReviewResult]
    REVIEW_RESULT_FAIL: _ClassVar[ReviewResult]

class ReviewSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REVIEW_SOURCE_UNSPECIFIED: _ClassVar[ReviewSource]
    REVIEW_SOURCE_HUMAN: _ClassVar[ReviewSource]
    REVIEW_SOURCE_CODE: _ClassVar[ReviewSource]
    REVIEW_SOURCE_LLM: _ClassVar[ReviewSource]

class ReviewStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REVIEW_STATUS_UNSPECIFIED: _ClassVar[ReviewStatus]
    REVIEW_STATUS_PENDING: _ClassVar[ReviewStatus]
    REVIEW_STATUS_REVIEWED: _ClassVar[ReviewStatus]

class IngestStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INGEST_STATUS_UNSPECIFIED: _ClassVar[IngestStatus]
    INGEST_STATUS_QUEUED: _ClassVar[IngestStatus]
    INGEST_STATUS_PROCESSING: _ClassVar[IngestStatus]
    INGEST_STATUS_COMPLETED: _ClassVar[IngestStatus]
    INGEST_STATUS_FAILED: _ClassVar[IngestStatus]

class MemoryKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEMORY_KIND_UNSPECIFIED: _ClassVar[MemoryKind]
    MEMORY_KIND_STRATEGY: _ClassVar[MemoryKind]
    MEMORY_KIND_PITFALL: _ClassVar[MemoryKind]
    MEMORY_KIND_CONTRAST: _ClassVar[MemoryKind]

class MemoryStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEMORY_STATUS_UNSPECIFIED: _ClassVar[MemoryStatus]
    MEMORY_STATUS_ACTIVE: _ClassVar[MemoryStatus]
    MEMORY_STATUS_MERGED: _ClassVar[MemoryStatus]
    MEMORY_STATUS_ARCHIVED: _ClassVar[MemoryStatus]
    MEMORY_STATUS_QUARANTINED: _ClassVar[MemoryStatus]

class MemoryAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEMORY_ACTION_UNSPECIFIED: _ClassVar[MemoryAction]
    MEMORY_ACTION_QUARANTINE: _ClassVar[MemoryAction]
    MEMORY_ACTION_RELEASE: _ClassVar[MemoryAction]
    MEMORY_ACTION_ARCHIVE: _ClassVar[MemoryAction]
    MEMORY_ACTION_RESTORE: _ClassVar[MemoryAction]
    MEMORY_ACTION_PIN: _ClassVar[MemoryAction]
    MEMORY_ACTION_UNPIN: _ClassVar[MemoryAction]

class LeftOut(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEFT_OUT_UNSPECIFIED: _ClassVar[LeftOut]
    LEFT_OUT_BELOW_GATE: _ClassVar[LeftOut]
    LEFT_OUT_METADATA: _ClassVar[LeftOut]
    LEFT_OUT_SAME_TEXT: _ClassVar[LeftOut]
    LEFT_OUT_BEYOND_POOL: _ClassVar[LeftOut]
    LEFT_OUT_UTILITY_FLOOR: _ClassVar[LeftOut]
    LEFT_OUT_PROBE_RATION: _ClassVar[LeftOut]
    LEFT_OUT_DIVERSITY: _ClassVar[LeftOut]
    LEFT_OUT_MAX_INJECTED: _ClassVar[LeftOut]
    LEFT_OUT_TOKEN_BUDGET: _ClassVar[LeftOut]
REVIEW_RESULT_UNSPECIFIED: ReviewResult
REVIEW_RESULT_PASS: ReviewResult
REVIEW_RESULT_FAIL: ReviewResult
REVIEW_SOURCE_UNSPECIFIED: ReviewSource
REVIEW_SOURCE_HUMAN: ReviewSource
REVIEW_SOURCE_CODE: ReviewSource
REVIEW_SOURCE_LLM: ReviewSource
REVIEW_STATUS_UNSPECIFIED: ReviewStatus
REVIEW_STATUS_PENDING: ReviewStatus
REVIEW_STATUS_REVIEWED: ReviewStatus
INGEST_STATUS_UNSPECIFIED: IngestStatus
INGEST_STATUS_QUEUED: IngestStatus
INGEST_STATUS_PROCESSING: IngestStatus
INGEST_STATUS_COMPLETED: IngestStatus
INGEST_STATUS_FAILED: IngestStatus
MEMORY_KIND_UNSPECIFIED: MemoryKind
MEMORY_KIND_STRATEGY: MemoryKind
MEMORY_KIND_PITFALL: MemoryKind
MEMORY_KIND_CONTRAST: MemoryKind
MEMORY_STATUS_UNSPECIFIED: MemoryStatus
MEMORY_STATUS_ACTIVE: MemoryStatus
MEMORY_STATUS_MERGED: MemoryStatus
MEMORY_STATUS_ARCHIVED: MemoryStatus
MEMORY_STATUS_QUARANTINED: MemoryStatus
MEMORY_ACTION_UNSPECIFIED: MemoryAction
MEMORY_ACTION_QUARANTINE: MemoryAction
MEMORY_ACTION_RELEASE: MemoryAction
MEMORY_ACTION_ARCHIVE: MemoryAction
MEMORY_ACTION_RESTORE: MemoryAction
MEMORY_ACTION_PIN: MemoryAction
MEMORY_ACTION_UNPIN: MemoryAction
LEFT_OUT_UNSPECIFIED: LeftOut
LEFT_OUT_BELOW_GATE: LeftOut
LEFT_OUT_METADATA: LeftOut
LEFT_OUT_SAME_TEXT: LeftOut
LEFT_OUT_BEYOND_POOL: LeftOut
LEFT_OUT_UTILITY_FLOOR: LeftOut
LEFT_OUT_PROBE_RATION: LeftOut
LEFT_OUT_DIVERSITY: LeftOut
LEFT_OUT_MAX_INJECTED: LeftOut
LEFT_OUT_TOKEN_BUDGET: LeftOut

class Review(_message.Message):
    __slots__ = ("result", "score", "feedback", "source", "name", "identifier", "alpha", "create_time")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    result: ReviewResult
    score: float
    feedback: str
    source: ReviewSource
    name: str
    identifier: str
    alpha: float
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, result: _Optional[_Union[ReviewResult, str]] = ..., score: _Optional[float] = ..., feedback: _Optional[str] = ..., source: _Optional[_Union[ReviewSource, str]] = ..., name: _Optional[str] = ..., identifier: _Optional[str] = ..., alpha: _Optional[float] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Memory(_message.Message):
    __slots__ = ("id", "task", "reflection", "kind", "utility", "uses", "passes", "similarity", "score", "success", "created_from", "create_time", "status", "metadata", "agent", "reflector", "contrasted_with", "pinned", "merged_into", "last_served_time", "author", "status_reason", "alarm")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    REFLECTION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    UTILITY_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    PASSES_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    CREATED_FROM_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    REFLECTOR_FIELD_NUMBER: _ClassVar[int]
    CONTRASTED_WITH_FIELD_NUMBER: _ClassVar[int]
    PINNED_FIELD_NUMBER: _ClassVar[int]
    MERGED_INTO_FIELD_NUMBER: _ClassVar[int]
    LAST_SERVED_TIME_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    STATUS_REASON_FIELD_NUMBER: _ClassVar[int]
    ALARM_FIELD_NUMBER: _ClassVar[int]
    id: str
    task: str
    reflection: str
    kind: MemoryKind
    utility: float
    uses: int
    passes: int
    similarity: float
    score: float
    success: bool
    created_from: str
    create_time: _timestamp_pb2.Timestamp
    status: str
    metadata: _containers.ScalarMap[str, str]
    agent: str
    reflector: str
    contrasted_with: str
    pinned: bool
    merged_into: str
    last_served_time: _timestamp_pb2.Timestamp
    author: str
    status_reason: str
    alarm: str
    def __init__(self, id: _Optional[str] = ..., task: _Optional[str] = ..., reflection: _Optional[str] = ..., kind: _Optional[_Union[MemoryKind, str]] = ..., utility: _Optional[float] = ..., uses: _Optional[int] = ..., passes: _Optional[int] = ..., similarity: _Optional[float] = ..., score: _Optional[float] = ..., success: bool = ..., created_from: _Optional[str] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., agent: _Optional[str] = ..., reflector: _Optional[str] = ..., contrasted_with: _Optional[str] = ..., pinned: bool = ..., merged_into: _Optional[str] = ..., last_served_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., author: _Optional[str] = ..., status_reason: _Optional[str] = ..., alarm: _Optional[str] = ...) -> None: ...

class Trace(_message.Message):
    __slots__ = ("id", "trace_ids", "task", "trajectory", "final_response", "retrieved_memory_ids", "review_status", "ingest_status", "ingest_attempts", "last_ingest_error", "model", "agent", "session_id", "metadata", "created_memory_id", "review", "steps", "llm_calls", "llm_errors", "tool_calls", "tool_errors", "input_tokens", "output_tokens", "start_time", "end_time", "closed_by", "reflector", "reflection_note", "reviews", "verdict", "reward")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    TRACE_IDS_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    TRAJECTORY_FIELD_NUMBER: _ClassVar[int]
    FINAL_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    RETRIEVED_MEMORY_IDS_FIELD_NUMBER: _ClassVar[int]
    REVIEW_STATUS_FIELD_NUMBER: _ClassVar[int]
    INGEST_STATUS_FIELD_NUMBER: _ClassVar[int]
    INGEST_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    LAST_INGEST_ERROR_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CREATED_MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    REVIEW_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    LLM_CALLS_FIELD_NUMBER: _ClassVar[int]
    LLM_ERRORS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_ERRORS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    CLOSED_BY_FIELD_NUMBER: _ClassVar[int]
    REFLECTOR_FIELD_NUMBER: _ClassVar[int]
    REFLECTION_NOTE_FIELD_NUMBER: _ClassVar[int]
    REVIEWS_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    id: str
    trace_ids: _containers.RepeatedScalarFieldContainer[str]
    task: str
    trajectory: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Struct]
    final_response: str
    retrieved_memory_ids: _containers.RepeatedScalarFieldContainer[str]
    review_status: ReviewStatus
    ingest_status: IngestStatus
    ingest_attempts: int
    last_ingest_error: str
    model: str
    agent: str
    session_id: str
    metadata: _containers.ScalarMap[str, str]
    created_memory_id: str
    review: Review
    steps: int
    llm_calls: int
    llm_errors: int
    tool_calls: int
    tool_errors: int
    input_tokens: int
    output_tokens: int
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    closed_by: str
    reflector: str
    reflection_note: str
    reviews: _containers.RepeatedCompositeFieldContainer[Review]
    verdict: ReviewResult
    reward: float
    def __init__(self, id: _Optional[str] = ..., trace_ids: _Optional[_Iterable[str]] = ..., task: _Optional[str] = ..., trajectory: _Optional[_Iterable[_Union[_struct_pb2.Struct, _Mapping]]] = ..., final_response: _Optional[str] = ..., retrieved_memory_ids: _Optional[_Iterable[str]] = ..., review_status: _Optional[_Union[ReviewStatus, str]] = ..., ingest_status: _Optional[_Union[IngestStatus, str]] = ..., ingest_attempts: _Optional[int] = ..., last_ingest_error: _Optional[str] = ..., model: _Optional[str] = ..., agent: _Optional[str] = ..., session_id: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., created_memory_id: _Optional[str] = ..., review: _Optional[_Union[Review, _Mapping]] = ..., steps: _Optional[int] = ..., llm_calls: _Optional[int] = ..., llm_errors: _Optional[int] = ..., tool_calls: _Optional[int] = ..., tool_errors: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., start_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., closed_by: _Optional[str] = ..., reflector: _Optional[str] = ..., reflection_note: _Optional[str] = ..., reviews: _Optional[_Iterable[_Union[Review, _Mapping]]] = ..., verdict: _Optional[_Union[ReviewResult, str]] = ..., reward: _Optional[float] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("id", "num_turns", "runs", "trajectory", "final_response", "agents", "models", "steps", "llm_calls", "llm_errors", "tool_calls", "tool_errors", "input_tokens", "output_tokens", "start_time", "end_time", "older_runs_left_out")
    ID_FIELD_NUMBER: _ClassVar[int]
    NUM_TURNS_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    TRAJECTORY_FIELD_NUMBER: _ClassVar[int]
    FINAL_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    LLM_CALLS_FIELD_NUMBER: _ClassVar[int]
    LLM_ERRORS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_ERRORS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    OLDER_RUNS_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    id: str
    num_turns: int
    runs: _containers.RepeatedCompositeFieldContainer[Trace]
    trajectory: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Struct]
    final_response: str
    agents: _containers.RepeatedScalarFieldContainer[str]
    models: _containers.RepeatedScalarFieldContainer[str]
    steps: int
    llm_calls: int
    llm_errors: int
    tool_calls: int
    tool_errors: int
    input_tokens: int
    output_tokens: int
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    older_runs_left_out: bool
    def __init__(self, id: _Optional[str] = ..., num_turns: _Optional[int] = ..., runs: _Optional[_Iterable[_Union[Trace, _Mapping]]] = ..., trajectory: _Optional[_Iterable[_Union[_struct_pb2.Struct, _Mapping]]] = ..., final_response: _Optional[str] = ..., agents: _Optional[_Iterable[str]] = ..., models: _Optional[_Iterable[str]] = ..., steps: _Optional[int] = ..., llm_calls: _Optional[int] = ..., llm_errors: _Optional[int] = ..., tool_calls: _Optional[int] = ..., tool_errors: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., start_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., older_runs_left_out: bool = ...) -> None: ...

class RetrievalOptions(_message.Message):
    __slots__ = ("limit", "similarity_threshold", "metadata_filter", "mmr_lambda", "max_injected")
    class MetadataFilterEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    LAMBDA_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    METADATA_FILTER_FIELD_NUMBER: _ClassVar[int]
    MMR_LAMBDA_FIELD_NUMBER: _ClassVar[int]
    MAX_INJECTED_FIELD_NUMBER: _ClassVar[int]
    limit: int
    similarity_threshold: float
    metadata_filter: _containers.ScalarMap[str, str]
    mmr_lambda: float
    max_injected: int
    def __init__(self, limit: _Optional[int] = ..., similarity_threshold: _Optional[float] = ..., metadata_filter: _Optional[_Mapping[str, str]] = ..., mmr_lambda: _Optional[float] = ..., max_injected: _Optional[int] = ..., **kwargs) -> None: ...

class AugmentRequest(_message.Message):
    __slots__ = ("task", "options", "run_id", "explain")
    TASK_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    task: str
    options: RetrievalOptions
    run_id: str
    explain: bool
    def __init__(self, task: _Optional[str] = ..., options: _Optional[_Union[RetrievalOptions, _Mapping]] = ..., run_id: _Optional[str] = ..., explain: bool = ...) -> None: ...

class AugmentResponse(_message.Message):
    __slots__ = ("augmented_task", "memories", "control", "serving_stopped_reason", "explanation", "degraded", "policy", "embedder_id")
    AUGMENTED_TASK_FIELD_NUMBER: _ClassVar[int]
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    SERVING_STOPPED_REASON_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    EMBEDDER_ID_FIELD_NUMBER: _ClassVar[int]
    augmented_task: str
    memories: _containers.RepeatedCompositeFieldContainer[Memory]
    control: bool
    serving_stopped_reason: str
    explanation: Explanation
    degraded: bool
    policy: str
    embedder_id: str
    def __init__(self, augmented_task: _Optional[str] = ..., memories: _Optional[_Iterable[_Union[Memory, _Mapping]]] = ..., control: bool = ..., serving_stopped_reason: _Optional[str] = ..., explanation: _Optional[_Union[Explanation, _Mapping]] = ..., degraded: bool = ..., policy: _Optional[str] = ..., embedder_id: _Optional[str] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("memory", "closeness", "rank", "note", "left_out")
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    CLOSENESS_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    memory: Memory
    closeness: float
    rank: int
    note: int
    left_out: LeftOut
    def __init__(self, memory: _Optional[_Union[Memory, _Mapping]] = ..., closeness: _Optional[float] = ..., rank: _Optional[int] = ..., note: _Optional[int] = ..., left_out: _Optional[_Union[LeftOut, str]] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("candidates", "embedder_id", "gate", "threshold", "guarded", "max_injected")
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    EMBEDDER_ID_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    LAMBDA_FIELD_NUMBER: _ClassVar[int]
    GUARDED_FIELD_NUMBER: _ClassVar[int]
    MAX_INJECTED_FIELD_NUMBER: _ClassVar[int]
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    embedder_id: str
    gate: float
    threshold: float
    guarded: bool
    max_injected: int
    def __init__(self, candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., embedder_id: _Optional[str] = ..., gate: _Optional[float] = ..., threshold: _Optional[float] = ..., guarded: bool = ..., max_injected: _Optional[int] = ..., **kwargs) -> None: ...

class QueryMemoriesRequest(_message.Message):
    __slots__ = ("task", "options")
    TASK_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    task: str
    options: RetrievalOptions
    def __init__(self, task: _Optional[str] = ..., options: _Optional[_Union[RetrievalOptions, _Mapping]] = ...) -> None: ...

class QueryMemoriesResponse(_message.Message):
    __slots__ = ("memories",)
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    memories: _containers.RepeatedCompositeFieldContainer[Memory]
    def __init__(self, memories: _Optional[_Iterable[_Union[Memory, _Mapping]]] = ...) -> None: ...

class CreateTraceRequest(_message.Message):
    __slots__ = ("trace_id", "task", "trajectory", "final_response", "retrieved_memory_ids", "model", "metadata", "review", "reference_context", "agent", "start_time", "end_time", "error_type", "spans_follow", "session_id")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    TRAJECTORY_FIELD_NUMBER: _ClassVar[int]
    FINAL_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    RETRIEVED_MEMORY_IDS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    REVIEW_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    ERROR_TYPE_FIELD_NUMBER: _ClassVar[int]
    SPANS_FOLLOW_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    task: str
    trajectory: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Struct]
    final_response: str
    retrieved_memory_ids: _containers.RepeatedScalarFieldContainer[str]
    model: str
    metadata: _containers.ScalarMap[str, str]
    review: Review
    reference_context: str
    agent: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    error_type: str
    spans_follow: bool
    session_id: str
    def __init__(self, trace_id: _Optional[str] = ..., task: _Optional[str] = ..., trajectory: _Optional[_Iterable[_Union[_struct_pb2.Struct, _Mapping]]] = ..., final_response: _Optional[str] = ..., retrieved_memory_ids: _Optional[_Iterable[str]] = ..., model: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., review: _Optional[_Union[Review, _Mapping]] = ..., reference_context: _Optional[str] = ..., agent: _Optional[str] = ..., start_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., error_type: _Optional[str] = ..., spans_follow: bool = ..., session_id: _Optional[str] = ...) -> None: ...

class CreateTraceResponse(_message.Message):
    __slots__ = ("trace_id", "ingest_status")
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    INGEST_STATUS_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    ingest_status: IngestStatus
    def __init__(self, trace_id: _Optional[str] = ..., ingest_status: _Optional[_Union[IngestStatus, str]] = ...) -> None: ...

class GetTraceRequest(_message.Message):
    __slots__ = ("trace_id",)
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    def __init__(self, trace_id: _Optional[str] = ...) -> None: ...

class GetTraceResponse(_message.Message):
    __slots__ = ("trace",)
    TRACE_FIELD_NUMBER: _ClassVar[int]
    trace: Trace
    def __init__(self, trace: _Optional[_Union[Trace, _Mapping]] = ...) -> None: ...

class ListTracesRequest(_message.Message):
    __slots__ = ("review_status", "agent", "session_id", "page_size", "page_token")
    REVIEW_STATUS_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    review_status: ReviewStatus
    agent: str
    session_id: str
    page_size: int
    page_token: str
    def __init__(self, review_status: _Optional[_Union[ReviewStatus, str]] = ..., agent: _Optional[str] = ..., session_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTracesResponse(_message.Message):
    __slots__ = ("traces", "next_page_token")
    TRACES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    traces: _containers.RepeatedCompositeFieldContainer[Trace]
    next_page_token: str
    def __init__(self, traces: _Optional[_Iterable[_Union[Trace, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetSessionRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class GetSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: Session
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class GetTrajectoryRequest(_message.Message):
    __slots__ = ("trace_id", "session_id")
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    session_id: str
    def __init__(self, trace_id: _Optional[str] = ..., session_id: _Optional[str] = ...) -> None: ...

class GetTrajectoryResponse(_message.Message):
    __slots__ = ("json_part",)
    JSON_PART_FIELD_NUMBER: _ClassVar[int]
    json_part: str
    def __init__(self, json_part: _Optional[str] = ...) -> None: ...

class ReviewTraceRequest(_message.Message):
    __slots__ = ("trace_id", "review")
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    REVIEW_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    review: Review
    def __init__(self, trace_id: _Optional[str] = ..., review: _Optional[_Union[Review, _Mapping]] = ...) -> None: ...

class ReviewTraceResponse(_message.Message):
    __slots__ = ("trace",)
    TRACE_FIELD_NUMBER: _ClassVar[int]
    trace: Trace
    def __init__(self, trace: _Optional[_Union[Trace, _Mapping]] = ...) -> None: ...

class WithdrawReviewRequest(_message.Message):
    __slots__ = ("trace_id", "name", "source", "identifier")
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    name: str
    source: ReviewSource
    identifier: str
    def __init__(self, trace_id: _Optional[str] = ..., name: _Optional[str] = ..., source: _Optional[_Union[ReviewSource, str]] = ..., identifier: _Optional[str] = ...) -> None: ...

class WithdrawReviewResponse(_message.Message):
    __slots__ = ("trace",)
    TRACE_FIELD_NUMBER: _ClassVar[int]
    trace: Trace
    def __init__(self, trace: _Optional[_Union[Trace, _Mapping]] = ...) -> None: ...

class WaitTraceRequest(_message.Message):
    __slots__ = ("trace_id", "require_reviewed")
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    REQUIRE_REVIEWED_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    require_reviewed: bool
    def __init__(self, trace_id: _Optional[str] = ..., require_reviewed: bool = ...) -> None: ...

class WaitTraceResponse(_message.Message):
    __slots__ = ("trace",)
    TRACE_FIELD_NUMBER: _ClassVar[int]
    trace: Trace
    def __init__(self, trace: _Optional[_Union[Trace, _Mapping]] = ...) -> None: ...

class DeleteTracesRequest(_message.Message):
    __slots__ = ("trace_ids", "with_memories")
    TRACE_IDS_FIELD_NUMBER: _ClassVar[int]
    WITH_MEMORIES_FIELD_NUMBER: _ClassVar[int]
    trace_ids: _containers.RepeatedScalarFieldContainer[str]
    with_memories: bool
    def __init__(self, trace_ids: _Optional[_Iterable[str]] = ..., with_memories: bool = ...) -> None: ...

class DeleteTracesResponse(_message.Message):
    __slots__ = ("deleted_count",)
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    deleted_count: int
    def __init__(self, deleted_count: _Optional[int] = ...) -> None: ...

class CreateMemoryRequest(_message.Message):
    __slots__ = ("task", "reflection", "kind", "success", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TASK_FIELD_NUMBER: _ClassVar[int]
    REFLECTION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    task: str
    reflection: str
    kind: MemoryKind
    success: bool
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, task: _Optional[str] = ..., reflection: _Optional[str] = ..., kind: _Optional[_Union[MemoryKind, str]] = ..., success: bool = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class CreateMemoryResponse(_message.Message):
    __slots__ = ("memory",)
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    memory: Memory
    def __init__(self, memory: _Optional[_Union[Memory, _Mapping]] = ...) -> None: ...

class GetMemoryRequest(_message.Message):
    __slots__ = ("memory_id",)
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    def __init__(self, memory_id: _Optional[str] = ...) -> None: ...

class GetMemoryResponse(_message.Message):
    __slots__ = ("memory",)
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    memory: Memory
    def __init__(self, memory: _Optional[_Union[Memory, _Mapping]] = ...) -> None: ...

class ListMemoriesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "status", "kind", "agent", "source_run_id", "author", "alarmed")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    ALARMED_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    status: MemoryStatus
    kind: MemoryKind
    agent: str
    source_run_id: str
    author: str
    alarmed: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., status: _Optional[_Union[MemoryStatus, str]] = ..., kind: _Optional[_Union[MemoryKind, str]] = ..., agent: _Optional[str] = ..., source_run_id: _Optional[str] = ..., author: _Optional[str] = ..., alarmed: bool = ...) -> None: ...

class ListMemoriesResponse(_message.Message):
    __slots__ = ("memories", "next_page_token")
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    memories: _containers.RepeatedCompositeFieldContainer[Memory]
    next_page_token: str
    def __init__(self, memories: _Optional[_Iterable[_Union[Memory, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ProjectSettings(_message.Message):
    __slots__ = ("control_share", "max_injected", "stop_on_harm", "memory_quota", "author_quota_per_hour", "reviewer_weights", "spend_ceiling_usd", "review_names", "pass_score", "serving", "serving_stopped_reason", "serving_stopped_time", "evidence_since")
    class ReviewerWeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    CONTROL_SHARE_FIELD_NUMBER: _ClassVar[int]
    MAX_INJECTED_FIELD_NUMBER: _ClassVar[int]
    STOP_ON_HARM_FIELD_NUMBER: _ClassVar[int]
    MEMORY_QUOTA_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_QUOTA_PER_HOUR_FIELD_NUMBER: _ClassVar[int]
    REVIEWER_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    SPEND_CEILING_USD_FIELD_NUMBER: _ClassVar[int]
    REVIEW_NAMES_FIELD_NUMBER: _ClassVar[int]
    PASS_SCORE_FIELD_NUMBER: _ClassVar[int]
    SERVING_FIELD_NUMBER: _ClassVar[int]
    SERVING_STOPPED_REASON_FIELD_NUMBER: _ClassVar[int]
    SERVING_STOPPED_TIME_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_SINCE_FIELD_NUMBER: _ClassVar[int]
    control_share: float
    max_injected: int
    stop_on_harm: bool
    memory_quota: int
    author_quota_per_hour: int
    reviewer_weights: _containers.ScalarMap[str, float]
    spend_ceiling_usd: float
    review_names: _containers.RepeatedScalarFieldContainer[str]
    pass_score: float
    serving: bool
    serving_stopped_reason: str
    serving_stopped_time: _timestamp_pb2.Timestamp
    evidence_since: _timestamp_pb2.Timestamp
    def __init__(self, control_share: _Optional[float] = ..., max_injected: _Optional[int] = ..., stop_on_harm: bool = ..., memory_quota: _Optional[int] = ..., author_quota_per_hour: _Optional[int] = ..., reviewer_weights: _Optional[_Mapping[str, float]] = ..., spend_ceiling_usd: _Optional[float] = ..., review_names: _Optional[_Iterable[str]] = ..., pass_score: _Optional[float] = ..., serving: bool = ..., serving_stopped_reason: _Optional[str] = ..., serving_stopped_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., evidence_since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetProjectSettingsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetProjectSettingsResponse(_message.Message):
    __slots__ = ("settings",)
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    settings: ProjectSettings
    def __init__(self, settings: _Optional[_Union[ProjectSettings, _Mapping]] = ...) -> None: ...

class UpdateProjectSettingsRequest(_message.Message):
    __slots__ = ("settings", "reset")
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    RESET_FIELD_NUMBER: _ClassVar[int]
    settings: ProjectSettings
    reset: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, settings: _Optional[_Union[ProjectSettings, _Mapping]] = ..., reset: _Optional[_Iterable[str]] = ...) -> None: ...

class UpdateProjectSettingsResponse(_message.Message):
    __slots__ = ("settings",)
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    settings: ProjectSettings
    def __init__(self, settings: _Optional[_Union[ProjectSettings, _Mapping]] = ...) -> None: ...

class GetLiftRequest(_message.Message):
    __slots__ = ("agent", "memory_id", "since", "half_width")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    HALF_WIDTH_FIELD_NUMBER: _ClassVar[int]
    agent: str
    memory_id: str
    since: _timestamp_pb2.Timestamp
    half_width: float
    def __init__(self, agent: _Optional[str] = ..., memory_id: _Optional[str] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., half_width: _Optional[float] = ...) -> None: ...

class LiftArm(_message.Message):
    __slots__ = ("runs", "reviewed", "passes", "mean_reward")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    REVIEWED_FIELD_NUMBER: _ClassVar[int]
    PASSES_FIELD_NUMBER: _ClassVar[int]
    MEAN_REWARD_FIELD_NUMBER: _ClassVar[int]
    runs: int
    reviewed: int
    passes: int
    mean_reward: float
    def __init__(self, runs: _Optional[int] = ..., reviewed: _Optional[int] = ..., passes: _Optional[int] = ..., mean_reward: _Optional[float] = ...) -> None: ...

class Lift(_message.Message):
    __slots__ = ("subject", "with_memory", "without_memory", "difference", "low", "high", "runs_needed")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    WITH_MEMORY_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_MEMORY_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    RUNS_NEEDED_FIELD_NUMBER: _ClassVar[int]
    subject: str
    with_memory: LiftArm
    without_memory: LiftArm
    difference: float
    low: float
    high: float
    runs_needed: int
    def __init__(self, subject: _Optional[str] = ..., with_memory: _Optional[_Union[LiftArm, _Mapping]] = ..., without_memory: _Optional[_Union[LiftArm, _Mapping]] = ..., difference: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., runs_needed: _Optional[int] = ...) -> None: ...

class GetLiftResponse(_message.Message):
    __slots__ = ("project", "agents", "memories", "control_share", "since", "half_width", "harm_evidence", "harm_limit", "serving_stopped_reason", "serving_stopped_time")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    CONTROL_SHARE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    HALF_WIDTH_FIELD_NUMBER: _ClassVar[int]
    HARM_EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    HARM_LIMIT_FIELD_NUMBER: _ClassVar[int]
    SERVING_STOPPED_REASON_FIELD_NUMBER: _ClassVar[int]
    SERVING_STOPPED_TIME_FIELD_NUMBER: _ClassVar[int]
    project: Lift
    agents: _containers.RepeatedCompositeFieldContainer[Lift]
    memories: _containers.RepeatedCompositeFieldContainer[Lift]
    control_share: float
    since: _timestamp_pb2.Timestamp
    half_width: float
    harm_evidence: float
    harm_limit: float
    serving_stopped_reason: str
    serving_stopped_time: _timestamp_pb2.Timestamp
    def __init__(self, project: _Optional[_Union[Lift, _Mapping]] = ..., agents: _Optional[_Iterable[_Union[Lift, _Mapping]]] = ..., memories: _Optional[_Iterable[_Union[Lift, _Mapping]]] = ..., control_share: _Optional[float] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., half_width: _Optional[float] = ..., harm_evidence: _Optional[float] = ..., harm_limit: _Optional[float] = ..., serving_stopped_reason: _Optional[str] = ..., serving_stopped_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Origin(_message.Message):
    __slots__ = ("memory_ids", "run_ids", "author", "since", "until")
    MEMORY_IDS_FIELD_NUMBER: _ClassVar[int]
    RUN_IDS_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    memory_ids: _containers.RepeatedScalarFieldContainer[str]
    run_ids: _containers.RepeatedScalarFieldContainer[str]
    author: str
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    def __init__(self, memory_ids: _Optional[_Iterable[str]] = ..., run_ids: _Optional[_Iterable[str]] = ..., author: _Optional[str] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TouchedMemory(_message.Message):
    __slots__ = ("memory", "depth", "via")
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    VIA_FIELD_NUMBER: _ClassVar[int]
    memory: Memory
    depth: int
    via: str
    def __init__(self, memory: _Optional[_Union[Memory, _Mapping]] = ..., depth: _Optional[int] = ..., via: _Optional[str] = ...) -> None: ...

class TouchedRun(_message.Message):
    __slots__ = ("run_id", "depth", "via")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    VIA_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    depth: int
    via: str
    def __init__(self, run_id: _Optional[str] = ..., depth: _Optional[int] = ..., via: _Optional[str] = ...) -> None: ...

class Quarantine(_message.Message):
    __slots__ = ("id", "reason", "create_time", "release_time", "memory_ids", "run_ids", "memory_count", "run_count", "spreads")
    ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    RELEASE_TIME_FIELD_NUMBER: _ClassVar[int]
    MEMORY_IDS_FIELD_NUMBER: _ClassVar[int]
    RUN_IDS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    RUN_COUNT_FIELD_NUMBER: _ClassVar[int]
    SPREADS_FIELD_NUMBER: _ClassVar[int]
    id: str
    reason: str
    create_time: _timestamp_pb2.Timestamp
    release_time: _timestamp_pb2.Timestamp
    memory_ids: _containers.RepeatedScalarFieldContainer[str]
    run_ids: _containers.RepeatedScalarFieldContainer[str]
    memory_count: int
    run_count: int
    spreads: bool
    def __init__(self, id: _Optional[str] = ..., reason: _Optional[str] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., release_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., memory_ids: _Optional[_Iterable[str]] = ..., run_ids: _Optional[_Iterable[str]] = ..., memory_count: _Optional[int] = ..., run_count: _Optional[int] = ..., spreads: bool = ...) -> None: ...

class HistoryEntry(_message.Message):
    __slots__ = ("run_id", "reward", "step", "before", "after", "reviewer", "excluded", "review_time", "result", "feedback")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    REVIEWER_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_FIELD_NUMBER: _ClassVar[int]
    REVIEW_TIME_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    reward: float
    step: float
    before: float
    after: float
    reviewer: str
    excluded: str
    review_time: _timestamp_pb2.Timestamp
    result: ReviewResult
    feedback: str
    def __init__(self, run_id: _Optional[str] = ..., reward: _Optional[float] = ..., step: _Optional[float] = ..., before: _Optional[float] = ..., after: _Optional[float] = ..., reviewer: _Optional[str] = ..., excluded: _Optional[str] = ..., review_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., result: _Optional[_Union[ReviewResult, str]] = ..., feedback: _Optional[str] = ...) -> None: ...

class GetMemoryHistoryRequest(_message.Message):
    __slots__ = ("memory_id", "page_size")
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    page_size: int
    def __init__(self, memory_id: _Optional[str] = ..., page_size: _Optional[int] = ...) -> None: ...

class GetMemoryHistoryResponse(_message.Message):
    __slots__ = ("memory", "source_run_ids", "merged_memory_ids", "quarantines", "entries", "entry_count")
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_RUN_IDS_FIELD_NUMBER: _ClassVar[int]
    MERGED_MEMORY_IDS_FIELD_NUMBER: _ClassVar[int]
    QUARANTINES_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    ENTRY_COUNT_FIELD_NUMBER: _ClassVar[int]
    memory: Memory
    source_run_ids: _containers.RepeatedScalarFieldContainer[str]
    merged_memory_ids: _containers.RepeatedScalarFieldContainer[str]
    quarantines: _containers.RepeatedCompositeFieldContainer[Quarantine]
    entries: _containers.RepeatedCompositeFieldContainer[HistoryEntry]
    entry_count: int
    def __init__(self, memory: _Optional[_Union[Memory, _Mapping]] = ..., source_run_ids: _Optional[_Iterable[str]] = ..., merged_memory_ids: _Optional[_Iterable[str]] = ..., quarantines: _Optional[_Iterable[_Union[Quarantine, _Mapping]]] = ..., entries: _Optional[_Iterable[_Union[HistoryEntry, _Mapping]]] = ..., entry_count: _Optional[int] = ...) -> None: ...

class UpdateMemoriesRequest(_message.Message):
    __slots__ = ("memory_ids", "action", "reason")
    MEMORY_IDS_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    memory_ids: _containers.RepeatedScalarFieldContainer[str]
    action: MemoryAction
    reason: str
    def __init__(self, memory_ids: _Optional[_Iterable[str]] = ..., action: _Optional[_Union[MemoryAction, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class UpdateMemoriesResponse(_message.Message):
    __slots__ = ("memories",)
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    memories: _containers.RepeatedCompositeFieldContainer[Memory]
    def __init__(self, memories: _Optional[_Iterable[_Union[Memory, _Mapping]]] = ...) -> None: ...

class DeleteMemoriesRequest(_message.Message):
    __slots__ = ("memory_ids",)
    MEMORY_IDS_FIELD_NUMBER: _ClassVar[int]
    memory_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, memory_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteMemoriesResponse(_message.Message):
    __slots__ = ("deleted_count",)
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    deleted_count: int
    def __init__(self, deleted_count: _Optional[int] = ...) -> None: ...

class FindBlastRadiusRequest(_message.Message):
    __slots__ = ("origin",)
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    origin: Origin
    def __init__(self, origin: _Optional[_Union[Origin, _Mapping]] = ...) -> None: ...

class FindBlastRadiusResponse(_message.Message):
    __slots__ = ("memories", "runs", "memory_count", "run_count")
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    RUN_COUNT_FIELD_NUMBER: _ClassVar[int]
    memories: _containers.RepeatedCompositeFieldContainer[TouchedMemory]
    runs: _containers.RepeatedCompositeFieldContainer[TouchedRun]
    memory_count: int
    run_count: int
    def __init__(self, memories: _Optional[_Iterable[_Union[TouchedMemory, _Mapping]]] = ..., runs: _Optional[_Iterable[_Union[TouchedRun, _Mapping]]] = ..., memory_count: _Optional[int] = ..., run_count: _Optional[int] = ...) -> None: ...

class CreateQuarantineRequest(_message.Message):
    __slots__ = ("origin", "reason")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    origin: Origin
    reason: str
    def __init__(self, origin: _Optional[_Union[Origin, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class CreateQuarantineResponse(_message.Message):
    __slots__ = ("quarantine",)
    QUARANTINE_FIELD_NUMBER: _ClassVar[int]
    quarantine: Quarantine
    def __init__(self, quarantine: _Optional[_Union[Quarantine, _Mapping]] = ...) -> None: ...

class ReleaseQuarantineRequest(_message.Message):
    __slots__ = ("quarantine_id",)
    QUARANTINE_ID_FIELD_NUMBER: _ClassVar[int]
    quarantine_id: str
    def __init__(self, quarantine_id: _Optional[str] = ...) -> None: ...

class ReleaseQuarantineResponse(_message.Message):
    __slots__ = ("quarantine",)
    QUARANTINE_FIELD_NUMBER: _ClassVar[int]
    quarantine: Quarantine
    def __init__(self, quarantine: _Optional[_Union[Quarantine, _Mapping]] = ...) -> None: ...

class ListQuarantinesRequest(_message.Message):
    __slots__ = ("open_only",)
    OPEN_ONLY_FIELD_NUMBER: _ClassVar[int]
    open_only: bool
    def __init__(self, open_only: bool = ...) -> None: ...

class ListQuarantinesResponse(_message.Message):
    __slots__ = ("quarantines",)
    QUARANTINES_FIELD_NUMBER: _ClassVar[int]
    quarantines: _containers.RepeatedCompositeFieldContainer[Quarantine]
    def __init__(self, quarantines: _Optional[_Iterable[_Union[Quarantine, _Mapping]]] = ...) -> None: ...
