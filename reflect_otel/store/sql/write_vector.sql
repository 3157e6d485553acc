insert into memory_vectors values ($project_id, $memory_id, $purpose, $embedder_id, $vector)
on conflict do update set embedder_id = excluded.embedder_id, vector = excluded.vector
