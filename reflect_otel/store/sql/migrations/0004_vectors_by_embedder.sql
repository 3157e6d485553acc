-- A memory may have vectors of several embedders while one takes the place of another.
create table vectors_by_embedder (
    project_id varchar not null,
    memory_id varchar not null,
    purpose varchar not null, -- 'task' (the retrieval key) or 'content'
    embedder_id varchar not null, -- vectors of different embedders must never be compared
    vector blob not null, -- float32, little-endian
    primary key (project_id, memory_id, embedder_id, purpose)
);
insert into vectors_by_embedder
select project_id, memory_id, purpose, embedder_id, vector from memory_vectors;
drop table memory_vectors;
alter table vectors_by_embedder rename to memory_vectors;
