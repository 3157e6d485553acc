update learning_jobs set attempts = $attempts, last_error = $last_error, parked = $parked
where project_id = $project_id and run_id = $run_id and generation = $generation
