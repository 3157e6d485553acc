create table memory_vectors (
    project_id varchar not null,
    memory_id varchar not null,
    purpose varchar not null, -- 'task' (the retrieval key) or 'content'
    embedder_id varchar not null, -- vectors of different embedders must never be compared
    vector blob not null, -- float32, little-endian
    primary key (project_id, memory_id, purpose)
);
