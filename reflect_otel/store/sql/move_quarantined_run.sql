update quarantine_members set run_id = $to_run_id where project_id = $project_id and run_id = $run_id
