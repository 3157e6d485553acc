insert into learning_jobs
select $project_id, run_id, 1, $queued_ns, 0, false, ''
from runs
where project_id = $project_id and run_id in (select unnest($run_ids::varchar[]))
on conflict do update set
    generation = learning_jobs.generation + 1, queued_ns = excluded.queued_ns, attempts = 0, parked = false, last_error = ''
