delete from memory_vectors where embedder_id <> $kept_embedder_id
