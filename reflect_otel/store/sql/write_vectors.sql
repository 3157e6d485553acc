insert into memory_vectors
select $project_id, $memory_id, unnest($purpose::varchar[]), $embedder_id, unnest($vector::blob[])
on conflict do update set vector = excluded.vector
