-- Columns are added without "not null": DuckDB cannot add that to a table that has indexes.
alter table memories add column pinned boolean default false;
alter table memories add column merged_into varchar default ''; -- the memory that speaks for this one; '' = itself
alter table memories add column last_served_ns bigint default 0;
alter table memories add column author varchar default '';
alter table memories add column status_reason varchar default '';
alter table servings add column withheld boolean default false; -- chosen, but kept back for the control group
create table project_settings (
    project_id varchar primary key,
    document varchar not null -- JSON object; what is absent has its default
);
create index memories_by_source on memories (created_from);
alter table reviews add column withdrawn boolean default false; -- taken back; kept to know what telemetry repeats
alter table reviews add column changed_ns bigint default 0; -- time of the newest word of this key
alter table review_signals add column withdrawn boolean default false;
alter table utility_events add column reviewer varchar default '';
alter table utility_events add column excluded varchar default ''; -- why it moves nothing; '' = it counts
create table memory_heirs ( -- memories that are gone, and who carries on their record
    project_id varchar not null,
    memory_id varchar not null,
    heir_id varchar not null,
    primary key (project_id, memory_id)
);
alter table memories add column alarm varchar default ''; -- how its utility has jumped within a day
alter table runs add column author varchar default ''; -- the end user it was made for
create table quarantines (
    project_id varchar not null,
    quarantine_id varchar not null,
    reason varchar not null,
    spreads boolean not null, -- runs that were served its memories join it
    created_ns bigint not null,
    released_ns bigint not null, -- 0 while it is open
    primary key (project_id, quarantine_id)
);
create table quarantine_members (
    project_id varchar not null,
    quarantine_id varchar not null,
    memory_id varchar, -- one of the two is set
    run_id varchar,
    status varchar not null, -- what a memory goes back to
    reason varchar not null
);
create index quarantine_members_by_memory on quarantine_members (memory_id);
create index quarantine_members_by_run on quarantine_members (run_id);
