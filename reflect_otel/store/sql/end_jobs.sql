delete from learning_jobs where project_id = $project_id and run_id in ($run_ids) returning run_id, generation
