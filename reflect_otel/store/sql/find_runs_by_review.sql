-- Apart from find_runs, because even an unused subquery costs the listing its early end: 9 ms instead of 2.6.
select *
from runs
where project_id = $project_id
    and ($agent is null or agent = $agent)
    and ($session_id is null or session_id = $session_id)
    and first_seen_ns <= $before_ns
    and (first_seen_ns, run_id) < ($before_ns, $before_run_id)
    and $is_learned = (
        exists (from reviews r where r.project_id = runs.project_id and r.run_id = runs.run_id and not r.withdrawn)
        and not exists (from learning_jobs j where j.project_id = runs.project_id and j.run_id = runs.run_id)
    )
order by first_seen_ns desc, run_id desc
limit $limit
