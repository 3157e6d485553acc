create table utility_events (
    project_id varchar not null,
    memory_id varchar not null,
    run_id varchar not null,
    reward double not null,
    alpha double,
    sequence bigint not null,
    before double not null,
    after double not null,
    primary key (project_id, memory_id, run_id)
);
