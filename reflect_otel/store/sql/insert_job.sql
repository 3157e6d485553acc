insert into learning_jobs values ($project_id, $run_id, 1, $queued_ns, 0, false, '')
