create table reviews (
    project_id varchar not null,
    run_id varchar not null,
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
create index reviews_by_run on reviews (run_id);
