-- Reviews whose run has not been seen yet.
create table review_signals (
    project_id varchar not null,
    target_run_id varchar,
    target_response_id varchar,
    target_trace_id blob,
    name varchar not null,
    source varchar not null,
    identifier varchar not null,
    result varchar not null,
    score double,
    feedback varchar,
    alpha double,
    created_ns bigint not null,
    ordinal bigint not null
);
