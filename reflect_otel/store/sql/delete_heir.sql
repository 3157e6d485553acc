delete from memory_heirs where project_id = $project_id and memory_id = $memory_id
