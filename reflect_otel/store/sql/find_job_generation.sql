select generation from learning_jobs where project_id = $project_id and run_id = $run_id
