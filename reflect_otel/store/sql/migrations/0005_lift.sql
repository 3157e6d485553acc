alter table servings add column control_share double default 0; -- chance that the run's memories were withheld
create table run_verdicts ( -- what the reviews of each run that was learned from come to
    project_id varchar not null,
    run_id varchar not null,
    result varchar not null,
    reward double not null,
    primary key (project_id, run_id)
);
