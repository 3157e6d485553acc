select *
from runs
where project_id = $project_id
    and ($agent is null or agent = $agent)
    and ($session_id is null or session_id = $session_id)
    and first_seen_ns <= $before_ns
    and (first_seen_ns, run_id) < ($before_ns, $before_run_id)
order by first_seen_ns desc, run_id desc
limit $limit
