update memory_heirs set heir_id = $heir_id where project_id = $project_id and heir_id = $memory_id
