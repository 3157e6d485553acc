create table run_traces (
    project_id varchar not null,
    trace_id blob not null,
    run_id varchar not null,
    ordinal bigint not null
);
create index run_traces_by_trace on run_traces (trace_id);
create index run_traces_by_run on run_traces (run_id);
