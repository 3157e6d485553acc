select memory_id from utility_events where project_id = $project_id and run_id in ($run_ids)
