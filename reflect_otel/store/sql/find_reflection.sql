select * exclude (project_id) from reflections where project_id = $project_id and run_id = $run_id
