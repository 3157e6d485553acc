insert into memory_vectors values ($project_id, $memory_id, $purpose, $embedder_id, $vector)
on conflict do update set vector = excluded.vector
