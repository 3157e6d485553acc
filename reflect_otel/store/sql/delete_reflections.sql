delete from reflections where project_id = $project_id and run_id in ($run_ids)
