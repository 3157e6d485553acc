alter table memories add column reflector varchar default '';
alter table memories add column contrasted_with varchar default ''; -- the failed run of a contrast
create table reflections ( -- how the last lesson of each run was drawn, also when no memory came of it
    project_id varchar not null,
    run_id varchar not null,
    memory_id varchar not null,
    reflector varchar not null,
    model varchar not null,
    note varchar not null,
    evidence_steps varchar not null, -- JSON array
    contrasted_with varchar not null,
    prompt_hash varchar not null,
    created_ns bigint not null,
    raw_output varchar using compression zstd not null,
    primary key (project_id, run_id)
);
create table model_calls (
    project_id varchar not null,
    call_id varchar primary key,
    run_id varchar not null,
    purpose varchar not null,
    model varchar not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    cost_usd double not null,
    error varchar not null,
    started_ns bigint not null
);
create index model_calls_by_run on model_calls (run_id);
