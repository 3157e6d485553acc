delete from memory_vectors where project_id = $project_id and memory_id = $memory_id and embedder_id <> $embedder_id
