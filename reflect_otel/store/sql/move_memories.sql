update memories set created_from = $to_run_id where project_id = $project_id and created_from = $run_id
