select * exclude (project_id) from memories where project_id = $project_id and memory_id = $memory_id
