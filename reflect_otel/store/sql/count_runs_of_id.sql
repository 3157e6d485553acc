select count(*) from runs where project_id = $project_id and run_id = $run_id
