select * exclude (project_id, raw_output), '' from reflections where project_id = $project_id and run_id in ($run_ids)
