-- Where a trace's spans and logs lie: one row per trace and batch, so that no read and no duplicate check scans.
create table trace_extents (
    project_id varchar not null,
    trace_id blob not null,
    first_arrival bigint not null,
    last_arrival bigint not null
);
create index trace_extents_by_trace on trace_extents (trace_id);
