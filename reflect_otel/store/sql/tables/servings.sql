create table servings (
    project_id varchar not null,
    memory_id varchar not null,
    trace_id blob,
    run_id varchar,
    rank integer not null,
    similarity double not null,
    utility double not null,
    score double not null,
    served_ns bigint not null,
    ordinal bigint not null
);
create index servings_by_trace on servings (trace_id);
create index servings_by_run on servings (run_id);
