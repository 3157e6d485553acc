-- A read run: everything but its messages, which stand in the table of that name behind (head_chain, head_depth).
create table trajectories (
    project_id varchar not null,
    run_id varchar not null,
    head_chain bigint not null,
    head_depth bigint not null,
    document varchar using compression zstd not null
);
create index trajectories_by_run on trajectories (run_id);
