update memories set contrasted_with = $to_run_id where project_id = $project_id and contrasted_with = $run_id
