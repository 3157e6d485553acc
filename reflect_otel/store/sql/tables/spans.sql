-- No key constraint: duplicates are found through trace_extents before the insert, which is many times cheaper.
create table spans (
    project_id varchar not null,
    trace_id blob not null,
    span_id blob not null,
    parent_span_id blob,
    arrival bigint not null, -- order of arrival, shared with logs
    received_ns bigint not null,
    name varchar not null,
    kind integer not null,
    start_ns ubigint not null,
    end_ns ubigint not null,
    status_code integer not null,
    status_message varchar not null,
    response_id varchar, -- gen_ai.response.id, for evaluations that name nothing else
    attributes varchar using compression zstd,
    events varchar using compression zstd,
    links varchar using compression zstd,
    resource varchar using compression zstd,
    scope_name varchar not null,
    scope_version varchar not null,
    schema_url varchar not null,
    flags bigint not null,
    dropped_attributes_count bigint not null
);
