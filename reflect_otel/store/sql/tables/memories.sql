create table memories (
    project_id varchar not null,
    memory_id varchar not null,
    task varchar not null,
    reflection varchar not null,
    kind varchar not null,
    utility double not null,
    uses bigint not null,
    passes bigint not null,
    success boolean,
    created_from varchar not null,
    created_ns bigint not null,
    status varchar not null,
    agent varchar,
    metadata varchar not null, -- JSON object
    primary key (project_id, memory_id)
);
