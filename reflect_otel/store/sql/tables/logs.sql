create table logs (
    project_id varchar not null,
    trace_id blob,
    span_id blob,
    arrival bigint not null,
    received_ns bigint not null,
    content_hash blob not null, -- of everything the sender sent: what tells a repeated record
    event_name varchar not null,
    time_ns ubigint not null,
    severity_number integer not null,
    body varchar using compression zstd,
    attributes varchar using compression zstd,
    resource varchar using compression zstd,
    scope_name varchar not null,
    scope_version varchar not null
);
