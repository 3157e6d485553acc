select j.project_id, j.run_id, j.attempts, j.last_error, j.generation
from learning_jobs j
semi join runs r on r.project_id = j.project_id and r.run_id = j.run_id and r.state = 'closed'
where not j.parked
order by j.attempts, j.queued_ns, j.run_id
limit $limit
