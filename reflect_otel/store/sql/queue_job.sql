insert into learning_jobs values ($project_id, $run_id, 1, $queued_ns, 0, false, '')
on conflict do update set
    generation = learning_jobs.generation + 1, queued_ns = excluded.queued_ns, attempts = 0, parked = false, last_error = ''
