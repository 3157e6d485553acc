create table learning_jobs (
    project_id varchar not null,
    run_id varchar not null,
    generation bigint not null, -- grows with every change of the run's reviews
    queued_ns bigint not null,
    attempts integer not null,
    parked boolean not null,
    last_error varchar not null,
    primary key (project_id, run_id)
);
