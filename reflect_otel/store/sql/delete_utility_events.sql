delete from utility_events where project_id = $project_id and run_id = $run_id
