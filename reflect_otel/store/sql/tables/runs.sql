create table runs (
    project_id varchar not null,
    run_id varchar not null,
    trace_ids varchar not null, -- JSON array of lower-case hex
    state varchar not null,
    closed_by varchar,
    task varchar using compression zstd not null,
    agent varchar,
    model varchar,
    session_id varchar,
    final_response varchar using compression zstd,
    reference_context varchar using compression zstd,
    metadata varchar not null, -- JSON object
    served_memory_ids varchar not null, -- JSON array
    steps bigint not null,
    llm_calls bigint not null,
    llm_errors bigint not null,
    tool_calls bigint not null,
    tool_errors bigint not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    span_count bigint not null,
    late_spans bigint not null,
    started_ns ubigint not null,
    ended_ns ubigint not null,
    first_seen_ns bigint not null,
    last_seen_ns bigint not null,
    inferred boolean not null,
    last_error varchar not null
);
create index runs_by_run on runs (run_id);
