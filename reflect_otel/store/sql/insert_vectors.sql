insert into memory_vectors
select
    $project_id, unnest($memory_id::varchar[]), unnest($purpose::varchar[]), unnest($embedder_id::varchar[]),
    unnest($vector::blob[])
