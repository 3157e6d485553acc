update learning_jobs
set generation = generation + 1, queued_ns = $queued_ns, attempts = 0, parked = false, last_error = ''
where project_id = $project_id and run_id = $run_id
